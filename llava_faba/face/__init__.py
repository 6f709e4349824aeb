"""A picture -> what is known of the faces in it: boxes, landmarks, crops, quality, geometry; without torch."""
