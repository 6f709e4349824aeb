"""The words on the page: what it is for, and what is said while it works."""

TITLE = "llava-faba: ask about a face"
LEAD = (
    "Upload a photo, choose a face, and ask a vision-language model what its expression shows. "
    "Answers are a model's reading of one picture, not a measurement of what somebody feels."
)
CONSENT = (
    "<b>Only upload faces of people who agreed to it.</b> "
    "Pictures are read on this server, are not used for training, and are deleted after an hour and when the server "
    "stops; a clip is deleted once it was read. No address is fetched and nothing is sent to a third party."
)
LIMITS_TITLE = "What this must not be used for, and who is harmed when it is wrong"
CLIP_LEAD = (
    "A clip of one face making one expression: how it moves is measured, and a model says how far the movement is "
    "impaired, 0 (normal) to 4 (severe), as clinicians rate it. **Nothing here is a diagnosis.** A clip that this "
    "browser cannot play is read all the same."
)
STARTER = (
    "The starter is small: it reads seven expressions about as well as its noisy labels allow, and names movements "
    "that landmarks show. A better model: <code>llava-faba demo --model-path MODEL</code>."
)
STATES = {
    "loading": "The model {name} is being loaded. You can choose a photo meanwhile.",
    "ready": "Model: {name}{prior}.",
    "failed": "The model {name} could not be loaded; its owner finds the reason in the server's log.",
}
CLIP_STATES = {
    "loading": "The clip model {name} is being loaded. A clip can be read meanwhile.",
    "ready": "Clip model: {name}.",
    "failed": "The clip model {name} could not be loaded; its owner finds the reason in the server's log.",
}
READY_QUESTIONS = (
    ("Which emotion?", "emotion", None),  # None: the task's fixed question
    ("Which action units?", "au", None),
    ("Why?", None, "Why? Describe the parts of the face that show it."),
    ("What speaks against it?", None, "Which parts of the face speak against this answer?"),
)
EXAMPLE_CREDIT = (
    "Example: portrait of the astronaut Eileen Collins, NASA, public domain (as shipped with scikit-image)."
)
