"""The table of the benchmark of reward-model training, from what was measured to Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from reward_speed_data import Prepared
from reward_speed_peak import operations
from reward_speed_records import Measured, Row, Terms

from steersman.modeling.chat import Group
from steersman.modeling.precision import Precision

NAME = "benchmarks/reward_speed.py"
DEFAULT = "TRL, default settings"
BEST = "TRL, best setting found"
SECTION = """
## Speed of reward-model training

Bradley-Terry training of the same model on the same pairs, step by step, in the same number format: TRL's RewardTrainer
by its default settings and by the best that a search finds, a plain loop over transformers that pads as TRL does, and
the engine. Every training is a process of its own; the rows take turns, so that what else the machine does meets all.
"""
_HEADER = (
    "| way to train | seconds per step | TRL default / this | TRL best / this | useful tokens/s | share of peak |"
    " tokens computed / useful | peak memory, GB | beyond weights and AdamW (and gradients), GB |"
    " greatest difference of a loss |"
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: `repeats` of every row by name, and the search for TRL's best setting.

    The first row is TRL's default, the second the best that the search found.
    A search ends without a figure where memory did not suffice. `peaks` are operations per second, `groups` all pairs.
    """

    rows: tuple[Row, ...]
    repeats: Mapping[str, Sequence[Measured]]
    search: Mapping[str, Measured | None]
    peaks: Mapping[Precision, float]
    groups: Sequence[Group]
    prepared: Prepared
    terms: Terms

    @property
    def measured_groups(self) -> Sequence[Group]:
        """The pairs of the measured steps."""
        first, last = self.terms.warm_up_steps, self.terms.all_steps
        return self.groups[first * self.terms.batch_pairs : last * self.terms.batch_pairs]

    @property
    def useful_tokens(self) -> int:
        """Tokens of the measured steps, each prompt counted once."""
        return sum(group.num_tokens for group in self.measured_groups)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How and where the figures were made."""

    command: str
    commit: str
    machine: str
    versions: str


def table_text(figures: Figures, *, circumstances: Circumstances) -> str:
    """Return the table with its notes."""
    lines = [_HEADER, "|" + "---|" * _HEADER.count(" |"), *(_line(row, figures) for row in figures.rows)]
    return "\n".join([*lines, "", *_notes(figures), *_circumstances(figures, circumstances)])


def spread(values: Sequence[float], *, form: Callable[[float], str]) -> str:
    """Return the median and, where there are several values, the least and the greatest."""
    middle = form(median(values))
    return middle if len(values) == 1 else f"{middle} ({form(min(values))} to {form(max(values))})"


def _line(row: Row, figures: Figures) -> str:
    found = figures.repeats[row.name]
    seconds = [each.seconds_per_step for each in found]
    per_second = [figures.useful_tokens / sum(each.seconds) for each in found]
    needed = operations(figures.measured_groups, prepared=figures.prepared)
    shares = [needed / sum(each.seconds) / figures.peaks[row.precision] for each in found]
    cells = [
        row.name,
        spread(seconds, form=lambda each: f"{each:.3g}"),
        spread(ratios(figures, figures.rows[0].name, row.name), form=lambda each: f"{each:.2f}"),
        spread(ratios(figures, figures.rows[1].name, row.name), form=lambda each: f"{each:.2f}"),
        f"{median(per_second):,.0f}",
        f"{median(shares):.0%}",
        f"{computed_tokens(row, figures) / figures.useful_tokens:.2f}",
        _gigabytes(median(each.peak_bytes for each in found)),
        f"{_gigabytes(median(each.beyond_optimiser_bytes for each in found))}"
        f" ({_gigabytes(median(each.beyond_gradient_bytes for each in found))})",
        f"{loss_difference(figures, row.name):.1e}",
    ]
    return f"| {' | '.join(cells)} |"


def ratios(figures: Figures, of: str, to: str) -> list[float]:
    """Return how many times as long a step of the row `of` takes as one of `to`, repeat by repeat."""
    pairs = zip(figures.repeats[of], figures.repeats[to], strict=True)
    return [one.seconds_per_step / other.seconds_per_step for one, other in pairs]


def loss_difference(figures: Figures, name: str) -> float:
    """Return the greatest difference between a row's loss and that of TRL's default, over steps and repeats."""
    reference = figures.repeats[figures.rows[0].name][0].losses
    return max(
        abs(one - other) for each in figures.repeats[name] for one, other in zip(each.losses, reference, strict=True)
    )


def computed_tokens(row: Row, figures: Figures) -> int:
    """Return the tokens a row passes through the model in the measured steps, padding and repeated prompts included."""
    groups = figures.measured_groups
    if row.trainer == "ours":
        repeated = 0 if row.shares else sum((len(each.responses) - 1) * (len(each.prefix) - 1) for each in groups)
        return figures.useful_tokens + repeated
    micro_batches = [groups[first : first + row.pairs] for first in range(0, len(groups), row.pairs)]
    return sum(2 * len(each) * max(group.longest for group in each) for each in micro_batches)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f}"


def _notes(figures: Figures) -> list[str]:
    searched = "; ".join(
        f"{name} {'out of memory' if each is None else f'{each.seconds_per_step:.3g} s'}"
        for name, each in figures.search.items()
    )
    peaks = ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in figures.peaks.items())
    curves = "; ".join(
        f"{row.name}: {', '.join(f'{loss:.4f}' for loss in figures.repeats[row.name][0].losses)}"
        for row in figures.rows
    )
    repeats = min(map(len, figures.repeats.values()))
    needed = operations(figures.measured_groups, prepared=figures.prepared) / figures.terms.steps
    return [
        f"- Seconds and ratios: median of {repeats} repeats, least and greatest in brackets; ratios are of one repeat.",
        *_brought(figures),
        f"- Search for TRL's best setting, one run each: {searched}.",
        f"- Losses, the warm-up among them: {curves}. The last column is against {figures.rows[0].name}.",
        f"- Peak of matrix products in this run, the fastest of the model's shapes and a large square: {peaks}."
        f" Operations needed per step: {needed:.3g} = 6 x weights of the layers' matrices x useful tokens"
        " + 12 x layers x attention width x pairs of a token and one it sees; neither padding nor recomputing counts.",
        "- Memory: the high-water mark during the measured steps"
        + (
            ", resident memory of the process (VmHWM, put back after the warm-up). Beyond weights and AdamW: less what"
            " was resident before the model was loaded, and less three times the weights."
            if figures.terms.device == "cpu"
            else " of what PyTorch allocated. Beyond weights and AdamW: less three times the weights."
        ),
    ]


def _brought(figures: Figures) -> list[str]:
    """Return how the engine's other ways compare with its own."""
    ours = [row.name for row in figures.rows if row.trainer == "ours"]
    compared = [
        f"{name} {spread(ratios(figures, ours[0], name), form=lambda each: f'{each:.2f}')}" for name in ours[1:]
    ]
    return [f"- Speed beside {ours[0]}: {'; '.join(compared)}."] if compared else []


def _circumstances(figures: Figures, circumstances: Circumstances) -> list[str]:
    terms = figures.terms
    return [
        f"- Model: {figures.prepared.model}, head drawn at random. Pairs: {figures.prepared.pairs}. {terms.batch_pairs}"
        f" pairs a step, {terms.steps} steps measured after {terms.warm_up_steps} of warm-up,"
        f" {figures.useful_tokens / terms.steps:,.0f} useful tokens a step (unpadded, the prompt of a pair once)."
        f" AdamW at {terms.learning_rate:g}, constant.",
        f"- Command: `{circumstances.command}`. Commit: {circumstances.commit}.",
        f"- Machine: {circumstances.machine}. {circumstances.versions}.",
    ]
