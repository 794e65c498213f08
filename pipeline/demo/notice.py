"""What everybody who starts the demo or the page is told about it."""

# Regulation (EU) 2024/1689. Quiet: two sentences, once, on stderr, where no other program reads them
NOTICE = ("An expression is not a feeling: the labels name what a face shows. To infer emotions from faces is emotion "
          "recognition in the EU's AI Act (Article 3(39)): prohibited at work and in education but for medical "
          "or safety reasons (5(1)(f)), otherwise high-risk (Annex III 1(c)), and the people in front of the camera "
          "must be told (50(3)).")
