"""How the pocket twin was made: synthetic lessons with known answers, a training loop, an exam.

Read in this order:

- `sample`: what one lesson is.
- `shapes`, `charts`, `documents`: pictures, drawn by `pocket.drawings` (parts: `scenes`, `picture_pairs`,
  `signs`, `pictures`, `picture_words`, `pictures_german`; their questions: `wordings/`).
- `toolcalls`: tools offered, called, answered (its parts: `toolcalls_*`).
- `course` and `facts/`: the course's own subject, in English and German.
- `chat`: everything else that is said (its parts: `off_topic`, `recall`, `chat_data`).
- `template`: a sample becomes tokens; `mixture`: samples become the rows of a batch.
- `model`, `muon`, `train`, `export`: the network, its optimizer, the run, the files.
- `evaluate`: the exam, through the real server.
"""
