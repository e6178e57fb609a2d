"""What the original says, as data: a two-person course report, "Recognition using Deep Networks", and its program.

Every accuracy, loss and setting of it that stands beside ours stands here, once, and nowhere else in telling or stages.
Its figures' numbers are in the names of ours. Accuracies are shares, losses means in nats.
"""

ACCURACIES = {"digits": 0.98, "best_network": 0.8921, "longer": 0.907, "mobilenet": 0.91}  # on test sets
CONVERGED = 100_000  # examples seen where its curve of the loss becomes flat
OWN_DIGITS = {"right": 9, "n": 10, "misread": "0", "read_as": "6"}  # photographed
LETTERS = {  # the letters, those of them that it had not learned from, and when those that it had were all right
    "greek": {
        "letters": ["alpha", "beta", "gamma"],
        "right": 12,
        "n": 15,
        "loss": 0.6585,
        "learned_within": 3,
        "epochs": 40,
    },
    "greek_extended": {
        "letters": ["lambda", "pi", "psi", "omega", "theta", "tau"],
        "right": 13,
        "n": 13,
        "loss": 0.4231,
        "learned_within": 3,
        "epochs": 20,
    },
}
LAYERS = {
    "mnistNet": "convolution 1→10, max pool 2×2, ReLU, convolution 10→20, dropout 0.5, max pool 2×2, ReLU, "
    "linear 980→50, ReLU, linear 50→10, log-softmax; kernel 5, padding 2",
    "mnistNet2": "convolutions 10, 20, 30, dropout after the last, linear 270→50",
    "mnistNet3": "mean of 3×3 after conv1, dropout after conv2, linear 320→50",
    "mobilenet": "features, average pool, BatchNorm1d(960), dropout, linear 960→10",
}
GRID = {"architectures": 3, "kernel_sizes": [2, 3, 4, 5, 6], "filters": [5, 10, 20, 50, 90]}
NETWORKS = GRID["architectures"] * len(GRID["kernel_sizes"]) * len(GRID["filters"])
BEST_NETWORK = {"architecture": "mnistNet", "kernel_size": 5, "filters": 90}
BUDGETS = {"epochs": [5, 20, 40, 50], "best": 40}
DROPOUT = 0.5  # of its three architectures
MOBILENET = {"epochs": 20, "dropout": 0.5, "image_size": 28}
OPTIMIZER = {"learning_rate": 0.01, "momentum": 0.5}  # SGD, in every training that the program has
BATCHES = {"digits": 64, "letters": 10, "networks": 64}
EPOCHS = {"digits": 10, "networks": 10}
PIXELS = {"mean": 0.1307, "deviation": 0.3081}
LETTER_SCALE = "36/128"
SEED = 3
