"""The words on the page: what it is for, what it must not be used for, and who is harmed by its errors."""

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
# Who is harmed: privacy, misjudgement, abuse, as in the supplement of arXiv 2404.05052, A.2. Work and schools, and the
# two exceptions: Regulation (EU) 2024/1689, article 5(1)(f), https://eur-lex.europa.eu/eli/reg/2024/1689/oj; that
# expressions vary between cultures, situations and within a person: its recital 44. Movements are not feelings: Barrett
# et al. 2019, doi 10.1177/1529100619832930.
LIMITS = """
**Not for decisions about people.** Not for hiring, school, insurance, policing, border control, court, credit, or any
watching of people who do not know of it. In the European Union inferring emotions at work and in schools is prohibited
but for medical or safety reasons (Regulation (EU) 2024/1689, article 5(1)(f)). It is no medical device: it finds no
illness, pain, lie or intention.

**Who is harmed by errors.**
- *People whose faces are recorded without knowing it*: a face is biometric data, and they cannot object.
- *People who are misread*: a wrong label of anger or fear can follow somebody into a security check or a court room.
  Models err more on faces that their training set shows rarely: by age, skin, culture, disability, facial palsy or
  Parkinson's disease, veils, glasses and beards.
- *People under surveillance*: such systems have been built to press down dissent and to watch political life.

**What an answer is.** A face shows movements, named here as action units (AU) of the Facial Action Coding System. The
same movement goes with different feelings in different people and places. A model also invents: check every sentence
against the picture. Probabilities are the model's own and may be off.
"""
CLIP_LEAD = (
    "A clip of one face making one expression: how it moves is measured, and a model says how far the movement is "
    "impaired, 0 (normal) to 4 (severe), as clinicians rate it. **Nothing here is a diagnosis.** A clip that this "
    "browser cannot play is read all the same."
)
TINY = (
    "<b>No model was given: this is a tiny one with random weights, and its answers mean nothing.</b> "
    "Give a model with <code>llava-faba demo --model-path M</code>."
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
