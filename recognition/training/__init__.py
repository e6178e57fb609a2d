"""How a network learns: data, augmentation, optimizers, the loop, scores and checkpoints."""
