"""Pictures and a loaded model -> answers: one face, a data set, a folder, a clip, a conversation."""
