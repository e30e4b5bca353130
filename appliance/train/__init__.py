"""Train a model from a data set.

`probe` fits a linear head on frozen embeddings. `full` starts from that head and fine-tunes all weights (LP-FT: Kumar et al. 2022, "Fine-Tuning
can Distort Pretrained Features and Underperform Out-of-Distribution", arXiv 2202.10054). Both go on after a kill to the same weights.
"""
