"""The settings of the networks and of their training.

Nothing here imports TensorFlow, so that a command line can show the defaults
at once.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from msg_modules.common.errors import ConfigError


def require(condition: bool, field: str, seen: object, wanted: str) -> None:
    """Raises a `ConfigError` that names the field and what it must be."""
    if not condition:
        raise ConfigError(f"{field} is {seen!r}; it must be {wanted}.")


def to_flags(name: str, config: ModelConfig | TrainConfig) -> list[str]:
    """The settings as flags of a command; what is a default is left out.

    Args:
      name: What the command calls the settings, `model` or `train`.
      config: The settings.

    Returns:
      The words of a command line.
    """
    flags = []
    for field in dataclasses.fields(config):
        value, flag = getattr(config, field.name), field.name.replace("_", "-")
        if value == field.default:
            continue
        if isinstance(value, bool):
            flags.append(f"--{name}.{flag}" if value else f"--{name}.no-{flag}")
        else:
            flags += [f"--{name}.{flag}", str(value)]
    return flags


Network = Literal["compact", "tutorial"]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The generator and the discriminator."""

    network: Network = "compact"
    """`compact`: small and quick; `tutorial`: the article's networks."""

    latent_dim: int = 16
    """Length of the latent vector that the generator draws from."""

    def __post_init__(self) -> None:
        require(self.latent_dim > 0, "model.latent_dim", self.latent_dim, ">= 1")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The training loop."""

    steps: int = 1500
    """Training steps; each updates both networks once."""

    batch_size: int = 64
    """Images per replica and step. The global batch is this times the number
    of replicas."""

    loss: Literal[
        "average_hinge",
        "hinge",
        "least_squares",
        "non_saturating",
        "relativistic",
        "wasserstein",
    ] = "non_saturating"
    """Adversarial loss. `wasserstein` needs the gradient penalty, 10 or so."""

    generator_learning_rate: float = 1e-3
    """Adam's learning rate for the generator."""

    discriminator_learning_rate: float = 1e-3
    """Adam's learning rate for the discriminator."""

    beta_1: float = 0.0
    """Adam's decay rate of the first moment, for both networks."""

    beta_2: float = 0.99
    """Adam's decay rate of the second moment, for both networks."""

    r1_gamma: float = 0.5
    """Weight of the R1 gradient penalty on real images; 0 turns it off."""

    r2_gamma: float = 0.0
    """Weight of the R2 gradient penalty on generated images; 0 turns it off."""

    gradient_penalty: float = 0.0
    """Weight of WGAN-GP's gradient penalty between real and generated images;
    0 turns it off."""

    penalty_interval: int = 16
    """Apply the penalties every so many steps, multiplied by as much."""

    ema_half_life: int = 2000
    """Half-life, in images, of the moving average of the generator's weights
    that is exported; 0 exports the weights as they are."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """What the layers calculate in. `bfloat16` is quicker on CPUs with AMX and on
    GPUs that have it; weights, logits, losses and what is exported stay float32."""

    strategy: Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"] = "auto"
    """`auto`: `multi_worker` where TF_CONFIG names several processes, or else all
    GPUs of this machine, or one device; `mirrored`: several replicas, on GPUs
    or, with `replicas`, on logical CPU devices; `multi_worker`: all devices of
    all processes that TF_CONFIG names; `tpu`: the TPU that TPU_NAME names."""

    replicas: int | None = None
    """Number of replicas for `mirrored`. Default: one for each GPU."""

    workers: int | None = None
    """Number of processes of `multi_worker`: on Kubeflow the Trainer's step starts
    a pod for each; elsewhere TF_CONFIG must name as many. Default: what TF_CONFIG
    names, and one pod on Kubeflow."""

    seed: int = 0
    """Seed of the weights, the latents and the order of the images."""

    report_every: int = 50
    """Steps between two reports of the losses."""

    sample_every: int = 250
    """Steps between two sheets of samples from the same latents."""

    checkpoint_every: int = 500
    """Steps between two checkpoints, from which an interrupted run resumes."""

    checkpoint_seconds: float = 60.0
    """Seconds between two checkpoints, if that comes before `checkpoint_every`."""

    checkpoint_keep: int = 3
    """How many checkpoints are kept, the newest ones."""

    checkpoint_dir: str | None = None
    """Directory of this one training, from which it resumes; other settings, images
    or code are refused. Default: a directory for each of these, in
    `checkpoints` under the pipeline root."""

    allow_changed: bool = False
    """Go on in `checkpoint_dir` with other settings, images or code."""

    divergence_retries: int = 0
    """How often a training with a NaN or infinite loss or gradient goes back to
    the last good checkpoint and on with half the learning rates."""

    deterministic: bool = False
    """The same weights to the last bit from each run on this machine, interrupted
    or not, on one device; may be slower."""

    @property
    def starts_job(self) -> bool:
        """Whether it is several pods that train, on Kubeflow."""
        return (self.workers or 1) > 1

    @property
    def has_penalty(self) -> bool:
        """Whether the discriminator's gradient is penalised."""
        return self.r1_gamma > 0 or self.r2_gamma > 0 or self.gradient_penalty > 0

    @property
    def exports_copy(self) -> bool:
        """Whether the exported generator is another one than the trained one."""
        return self.ema_half_life > 0 or self.precision != "float32"

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "batch_size",
            "penalty_interval",
            "report_every",
            "sample_every",
            "checkpoint_every",
            "checkpoint_keep",
        ):
            value = getattr(self, name)
            require(value > 0, f"train.{name}", value, "at least 1")
        for name in (
            "generator_learning_rate",
            "discriminator_learning_rate",
            "checkpoint_seconds",
        ):
            value = getattr(self, name)
            require(value > 0, f"train.{name}", value, "above 0")
        for name in ("beta_1", "beta_2"):
            value = getattr(self, name)
            require(0 <= value < 1, f"train.{name}", value, "in [0, 1)")
        for name in (
            "r1_gamma",
            "r2_gamma",
            "gradient_penalty",
            "ema_half_life",
            "divergence_retries",
        ):
            value = getattr(self, name)
            require(value >= 0, f"train.{name}", value, "at least 0")
        require(0 <= self.seed < 2**32, "train.seed", self.seed, "in [0, 2**32)")
        require(
            self.replicas is None or self.replicas > 0,
            "train.replicas",
            self.replicas,
            "at least 1",
        )
        require(
            self.replicas is None or self.strategy == "mirrored",
            "train.replicas",
            self.replicas,
            "given together with --train.strategy mirrored",
        )
        require(
            self.workers is None or self.workers > 0,
            "train.workers",
            self.workers,
            "at least 1",
        )
        require(
            self.workers is None or self.strategy in ("auto", "multi_worker"),
            "train.workers",
            self.workers,
            "given together with --train.strategy auto or multi_worker",
        )
        require(
            not self.allow_changed or self.checkpoint_dir is not None,
            "train.allow_changed",
            self.allow_changed,
            "given together with --train.checkpoint-dir",
        )


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """The classifier in whose features generated images are judged."""

    epochs: int = 4
    """Passes over the training images."""

    batch_size: int = 128
    """Images in each step."""

    learning_rate: float = 2e-3
    """Adam's learning rate at the start; it falls to 0."""

    held_out: float = 0.1
    """Share of the training images kept back to measure its accuracy."""

    seed: int = 0
    """Seed of its weights and of the order of the images."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            require(value > 0, f"classifier.{name}", value, "at least 1")
        value = self.learning_rate
        require(value > 0, "classifier.learning_rate", value, "above 0")
        require(
            0 < self.held_out < 1, "classifier.held_out", self.held_out, "in (0, 1)"
        )
        require(0 <= self.seed < 2**32, "classifier.seed", self.seed, "in [0, 2**32)")


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """How a trained generator is judged, and what blesses it."""

    num_images: int | None = None
    """Images drawn for each seed, and test images to compare with. Default: as
    many as there are test images, at most 10,000."""

    num_seeds: int = 3
    """Draw and measure this many times; the spread is the confidence."""

    seed: int = 0
    """The first of these seeds."""

    baseline: Literal["serving_dir", "resolver", "none"] = "serving_dir"
    """Where the last blessed generator is looked up, to compare with:
    `serving_dir`: the newest pushed version; `resolver`: ML Metadata, by a
    node of its own, not on Kubeflow; `none`: not compared."""

    max_frechet: float | None = None
    """Bless no generator whose Frechet distance at 28x28 is larger."""

    max_frechet_share: float | None = 0.25
    """Bless no generator whose Frechet distance at 28x28 is more than this
    share of what noise has."""

    min_coverage: float | None = 0.05
    """Bless no generator that covers a smaller share of the test images."""

    max_class_distance: float | None = 0.5
    """Bless no generator whose classes are distributed further from the test
    images', 0 for equal and 1 for nothing in common."""

    max_worsening: float | None = 0.1
    """Bless no generator whose Frechet distance at 28x28 is larger than the
    last blessed one's by more than this share."""

    def __post_init__(self) -> None:
        require(
            self.num_images is None or self.num_images >= 10,
            "evaluate.num_images",
            self.num_images,
            "at least 10",
        )
        require(self.num_seeds > 0, "evaluate.num_seeds", self.num_seeds, "at least 1")
        require(0 <= self.seed < 2**31, "evaluate.seed", self.seed, "in [0, 2**31)")
        for name in ("max_frechet", "max_frechet_share", "max_worsening"):
            value = getattr(self, name)
            require(value is None or value >= 0, f"evaluate.{name}", value, ">= 0")
        for name in ("min_coverage", "max_class_distance"):
            value = getattr(self, name)
            wanted = "in [0, 1]"
            require(value is None or 0 <= value <= 1, f"evaluate.{name}", value, wanted)


@dataclasses.dataclass(frozen=True)
class ServeLimits:
    """How much and how long `msg-gan serve` works for a client."""

    max_images: int = 256
    """Images of one request."""

    max_body_bytes: int = 1_000_000
    """Length of the body of one request."""

    max_concurrency: int = 128
    """Requests that are worked on at once; a further one gets status 503."""

    timeout_seconds: float = 30.0
    """For sending a request (status 408), and for answering it (504)."""

    batch_images: int = 64
    """Requests that wait are drawn together until they have so many images."""

    batch_wait_ms: float = 2.0
    """How long the first of them waits for others."""

    poll_seconds: float = 1.0
    """How often a new version is looked for."""

    def __post_init__(self) -> None:
        for name in ("max_images", "max_body_bytes", "max_concurrency", "batch_images"):
            value = getattr(self, name)
            require(value >= 1, f"limits.{name}", value, "at least 1")
        for name in ("timeout_seconds", "poll_seconds"):
            value = getattr(self, name)
            require(value > 0, f"limits.{name}", value, "above 0")
        require(
            self.batch_wait_ms >= 0, "limits.batch_wait_ms", self.batch_wait_ms, ">= 0"
        )
