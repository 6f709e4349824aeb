"""The Gradio interface: it lays out the page and calls the package; it reads, describes and judges nothing itself."""
