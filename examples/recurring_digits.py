"""A small network learns handwritten digits ten times, and its batch size is learned along the way.

Needs numpy and scikit-learn's digits. Where a device tells energy, the cost is energy and time; elsewhere time alone.
Run: python examples/recurring_digits.py [FILE]
"""

import sys

import numpy as np
from sklearn.datasets import load_digits

import joulewise as jw

images, labels = load_digits(return_X_y=True)
images = images / 16.0


def train_epoch(weights, rows, batch_size, learning_rate, rng):
    """One pass over the training data in batches, by stochastic gradient descent."""
    for batch in np.array_split(rng.permutation(rows), len(rows) // batch_size):
        x, hidden = images[batch], np.maximum(0.0, images[batch] @ weights["w1"] + weights["b1"])
        logits = hidden @ weights["w2"] + weights["b2"]
        error = np.exp(logits - logits.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(batch)), labels[batch]] -= 1.0
        error /= len(batch)
        back = (error @ weights["w2"].T) * (hidden > 0)
        slopes = {"w1": x.T @ back, "b1": back.sum(0), "w2": hidden.T @ error, "b2": error.sum(0)}
        for name, slope in slopes.items():
            weights[name] -= learning_rate * slope


def accuracy(weights, rows):
    """The share of digits that are recognised."""
    hidden = np.maximum(0.0, images[rows] @ weights["w1"] + weights["b1"])
    return float(np.mean(np.argmax(hidden @ weights["w2"] + weights["b2"], axis=1) == labels[rows]))


def main() -> None:
    """Ten recurrences, each until it reaches its target."""
    store = sys.argv[1] if len(sys.argv) > 1 else "digits.db"
    sizes = [4, 8, 16, 32, 64, 128]
    for recurrence in range(10):
        rng = np.random.default_rng(recurrence)  # today's data
        rows = rng.permutation(len(images))
        job = jw.recurring("digits", sizes, default=4, target=0.95, max_epochs=60, optimizer="sgd", store=store)
        while not job.is_reached:
            w1, w2 = rng.normal(0, 0.1, (64, 128)), rng.normal(0, 0.1, (128, 10))
            weights = {"w1": w1, "b1": np.zeros(128), "w2": w2, "b2": np.zeros(10)}
            with job:
                size = job.batch_size
                for _ in job.epochs():
                    train_epoch(weights, rows[300:], size, job.learning_rate(0.03), rng)
                    job.epoch_end(accuracy(weights, rows[:300]))
            end = "reached" if job.is_reached else "stopped"
            print(f"{recurrence + 1:2}: batch size {size:3}, {end} after {job.epoch} epochs")


if __name__ == "__main__":
    main()
