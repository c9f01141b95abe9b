"""How the pocket twin was made: synthetic lessons with known answers, a training loop, an exam.

Read in this order: `sample`, then any curriculum module (`shapes`, `charts`, `documents`, `toolcalls`,
`course`, `chat`), `mixture`, `model`, `train`, `evaluate`.
"""
