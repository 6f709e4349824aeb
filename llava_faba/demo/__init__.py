"""The Gradio interface; it lays out and calls the package."""
