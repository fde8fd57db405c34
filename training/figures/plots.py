"""Plots of a run: curves during training, and the figures at its end."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def draw_curves(history: list[dict[str, float]], goal: str, path: Path) -> None:
    """Plot the losses and the validation figures over the minutes of a run.

    Args:
        history: One entry for each validation, with its `minutes`.
        goal: Name of the figure that decides which checkpoint is best; its line is thick.
        path: Where the PNG goes.
    """
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    minutes = [h["minutes"] for h in history]
    for name in history[-1]:
        if name.endswith("loss"):
            left.plot(minutes, [h.get(name, float("nan")) for h in history], marker=".", label=name)
        elif name not in ("minutes", "samples"):
            right.plot(
                minutes,
                [h.get(name, float("nan")) for h in history],
                marker=".",
                label=name,
                linewidth=2 if name == goal else 1,
            )
    for axes, title in (
        (left, "loss on training samples"),
        (right, "figures on the validation split"),
    ):
        axes.set(xlabel="minutes", title=title)
        axes.grid(alpha=0.3)
        axes.legend()
    temporary = path.with_suffix(".partial.png")
    figure.savefig(temporary, dpi=110)
    pyplot.close(figure)
    temporary.replace(path)


def draw_confusion(matrix: list[list[int]], labels: tuple[str, ...], path: Path) -> None:
    """Plot a confusion matrix, coloured by the share of each row.

    Args:
        matrix: Counts; a row is the true label, a column is the model's answer.
        labels: Names of the rows and columns.
        path: Where the PNG goes.
    """
    figure, axes = pyplot.subplots(figsize=(5.2, 4.4), layout="constrained")
    shares = [[cell / max(1, sum(row)) for cell in row] for row in matrix]
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
    axes.set(xticks=range(len(labels)), yticks=range(len(labels)), xlabel="model", ylabel="truth")
    axes.set_xticklabels(labels, rotation=20)
    axes.set_yticklabels(labels)
    for y, row in enumerate(matrix):
        for x, cell in enumerate(row):
            axes.text(
                x,
                y,
                f"{cell}\n{shares[y][x]:.1%}",
                ha="center",
                va="center",
                color="white" if shares[y][x] > 0.6 else "black",
            )
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_precision_recall(
    recall: list[float], precision: list[float], path: Path, title: str
) -> None:
    """Plot precision over recall, both 0…1."""
    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    axes.plot(recall, precision)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01), title=title)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_roc(
    false: list[float], true: list[float], at: tuple[float, float], path: Path, title: str
) -> None:
    """Plot the true-positive rate over the false-positive rate (ROC).

    Args:
        false: False-positive rates, 0…1.
        true: True-positive rates, 0…1.
        at: The point (false, true) at the threshold in use.
        path: Where the PNG goes.
        title: Title of the plot.
    """
    figure, axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    axes.plot(false, true)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    axes.plot(*at, marker="o", color="black", label=f"as run: {at[0]:.1%} false, {at[1]:.1%} true")
    axes.set(
        xlabel="share of the others taken for it",
        ylabel="share of it recognised",
        xlim=(-0.01, 1),
        ylim=(0, 1.01),
        title=title,
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_speed(points: dict[str, tuple[float, float]], path: Path, title: str) -> None:
    """Plot a figure over the time for a crop, with a point for each model.

    Args:
        points: Milliseconds and figure (0…1) of each model by its name.
        path: Where the PNG goes.
        title: Name of the figure.
    """
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, (milliseconds, value) in points.items():
        axes.plot(milliseconds, value, marker="o", markersize=8)
        axes.annotate(
            name, (milliseconds, value), xytext=(8, 6), textcoords="offset points", fontsize=10
        )
    axes.set(xlabel="milliseconds for a crop on this CPU (OpenVINO)", ylabel=title)
    axes.margins(0.25)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
