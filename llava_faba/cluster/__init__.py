"""Work that several machines share: Ray's actors, and a folder that every node must see; without torch."""
