"""What everybody who starts the demo or the page is told about it."""

# Regulation (EU) 2024/1689. Quiet: two sentences, once, on stderr, where no other program reads them
NOTICE = ("An expression is not a feeling: the labels name what a face shows. Tell the people whom you show to it; at "
          "work and in education the EU prohibits systems that infer emotions (AI Act, Articles 50(3) and 5(1)(f)).")
