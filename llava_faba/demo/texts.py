"""The words on the page: what it is for, and what is said while it works."""

TITLE = "llava-faba: ask about a face"
LEAD = (
    "Choose a photo and ask what the expression shows. An answer is a model's reading of one picture, "
    "not a measurement of what somebody feels."
)
CONSENT = (
    "<b>Only upload faces of people who agreed to it.</b> "
    "Pictures stay on this server and are deleted after an hour, clips once they were read."
)
LIMITS_TITLE = "What this must not be used for, and who is harmed when it is wrong"
CLIP_LEAD = (
    "A clip of one face making one expression: how it moves is measured, and a model says how far the movement is "
    "impaired, 0 (normal) to 4 (severe), as clinicians rate it. **Nothing here is a diagnosis.** A clip that this "
    "browser cannot play is read all the same."
)
MOTION_LEAD = (
    "A clip of one face: how its parts move is measured and told in sentences. No model for clips was given, so no "
    "severity is shown. **Nothing here is a diagnosis.** A clip that this browser cannot play is read all the same."
)
MEASURES_TITLE = "All measures of the motion"
STARTER = (
    "The starter is small: seven expressions, and the movements that landmarks show. "
    "Its card, at the end of the page, says how well. A better model: <code>llava-faba demo --model-path MODEL</code>."
)
CARD_TITLE = "The starter's card: what it was trained on, how well it does, what it cannot do"
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
