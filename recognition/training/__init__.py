"""How a network learns: data, augmentation, optimizers, the loop, scores, what is known, and checkpoints."""
