"""Settings: networks, training, classifier, evaluation and serving.

Nothing here imports TensorFlow, so `--help` is fast.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from msg_modules.common import field_types
from msg_modules.common.errors import ConfigError


def require(condition: bool, field: str, seen: object, wanted: str) -> None:
    """Raises a `ConfigError` naming the field, its value and what it must be."""
    if not condition:
        raise ConfigError(f"{field} is {seen!r}; it must be {wanted}.")


def to_flags(name: str, config: ModelConfig | TrainConfig) -> list[str]:
    """Converts settings to command-line flags, omitting defaults.

    Args:
      name: Prefix of the flags, `model` or `train`.
      config: The settings.

    Returns:
      The command-line arguments.
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
    """Network settings."""

    network: Network = "compact"
    """`compact`: small and fast; `tutorial`: the networks of the article."""

    latent_dim: int = 16
    """Length of the generator's latent vector."""

    conditional: bool = True
    """Condition on class labels, where the images have some, so that images of a class
    can be asked for; `tutorial` never does."""

    def __post_init__(self) -> None:
        field_types.check(self, "model")
        require(self.latent_dim > 0, "model.latent_dim", self.latent_dim, ">= 1")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Training settings."""

    steps: int = 750
    """Training steps; each updates both networks once."""

    batch_size: int = 64
    """Batch size per replica. The global batch size is this times the number
    of replicas."""

    loss: Literal[
        "average_hinge",
        "hinge",
        "least_squares",
        "non_saturating",
        "relativistic",
        "wasserstein",
    ] = "non_saturating"
    """Adversarial loss. `wasserstein` needs `gradient_penalty`, e.g. 10."""

    generator_learning_rate: float = 1e-3
    """Adam's learning rate for the generator."""

    discriminator_learning_rate: float = 1e-3
    """Adam's learning rate for the discriminator."""

    decay: float = 0.0
    """Fraction of the steps, at the end, in which both learning rates fall linearly to
    0; 0 keeps them constant. A training that is continued with more steps continues at
    the rates that it would have had with so many steps from the start."""

    beta_1: float = 0.0
    """Adam's beta_1, for both networks."""

    beta_2: float = 0.99
    """Adam's beta_2, for both networks."""

    r1_gamma: float = 0.5
    """Weight of the R1 gradient penalty on real images; 0 disables it."""

    r2_gamma: float = 0.0
    """Weight of the R2 gradient penalty on generated images; 0 disables it."""

    gradient_penalty: float = 0.0
    """Weight of the WGAN-GP gradient penalty, on mixtures of real and generated
    images; 0 disables it."""

    penalty_interval: int = 16
    """Apply the gradient penalties every N steps, scaled by N (lazy
    regularization)."""

    augment: bool = False
    """Augment what the discriminator sees, for small datasets: shifts, cutout and, for
    RGB images, brightness, saturation and contrast (differentiable augmentation)."""

    start_from: str | None = None
    """Start from the weights of the last checkpoint of another training of the same
    networks, with the step count and the optimizers reset. A directory with
    `checkpoints` in it, such as a `model_run` of the Trainer; or `served`: the training
    of the served version, if there is one. With `served`, nothing is trained or pushed
    if images, settings and code are those of the served version."""

    ema_half_life: int = 10_000
    """Half-life, in images, of the exponential moving average of the generator's
    weights, which is what is exported; 0 exports the raw weights."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Compute precision of the layers. `bfloat16` is faster on CPUs with AMX and on
    GPUs that support it; weights, logits, losses and the exported model stay
    float32."""

    strategy: Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"] = "auto"
    """`auto`: `multi_worker` if TF_CONFIG names several processes, else all GPUs of
    this machine, else one device; `mirrored`: several replicas, on GPUs or, with
    `replicas`, on logical CPU devices; `multi_worker`: all devices of all processes
    in TF_CONFIG; `tpu`: the TPU that TPU_NAME names."""

    replicas: int | None = None
    """Number of replicas for `mirrored`. Default: one per GPU."""

    workers: int | None = None
    """Number of processes for `multi_worker`. On Kubeflow, the Trainer step starts
    one pod per process; elsewhere, TF_CONFIG must name this many. Default: as many
    as TF_CONFIG names; one pod on Kubeflow."""

    seed: int = 0
    """Seed for weight initialization, latents and shuffling."""

    report_every: int = 50
    """Report the losses every N steps."""

    sample_every: int = 250
    """Write a sample sheet, always from the same latents, every N steps."""

    checkpoint_every: int = 500
    """Save a checkpoint, from which an interrupted run resumes, every N steps."""

    checkpoint_seconds: float = 60.0
    """Also save a checkpoint if the last one is this many seconds old."""

    checkpoint_keep: int = 3
    """Number of checkpoints to keep."""

    checkpoint_dir: str | None = None
    """Directory to save this training to and resume it from; refused if it holds a
    training with other settings, images or code. Default: one directory per
    combination of these, in `checkpoints` under the pipeline root or, for `msg-gan
    train`, in --checkpoints."""

    allow_changed: bool = False
    """Resume from `checkpoint_dir` even if settings, images or code have changed."""

    divergence_retries: int = 0
    """How many times to roll back to the last good checkpoint and halve the learning
    rates when a loss, gradient or weight becomes NaN or infinite."""

    deterministic: bool = False
    """Bit-for-bit reproducible weights across runs on this machine, interrupted or
    not, on one device; may be slower."""

    @property
    def starts_from_served(self) -> bool:
        """Whether to start from the served version."""
        return self.start_from == "served"

    @property
    def start_directory(self) -> str | None:
        """The directory to start from, if there is one that does not change."""
        return None if self.starts_from_served else self.start_from

    @property
    def starts_job(self) -> bool:
        """Whether training on Kubeflow is a job of several pods."""
        return (self.workers or 1) > 1

    @property
    def has_penalty(self) -> bool:
        """Whether any gradient penalty is enabled."""
        return self.r1_gamma > 0 or self.r2_gamma > 0 or self.gradient_penalty > 0

    @property
    def exports_copy(self) -> bool:
        """Whether the exported generator is a separate copy of the trained one."""
        return self.ema_half_life > 0 or self.precision != "float32"

    def __post_init__(self) -> None:
        field_types.check(self, "train")
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
        require(0 <= self.decay <= 1, "train.decay", self.decay, "between 0 and 1")
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
            "used with --train.strategy mirrored",
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
            "used with --train.strategy auto or multi_worker",
        )
        require(
            not self.allow_changed or self.checkpoint_dir is not None,
            "train.allow_changed",
            self.allow_changed,
            "used with --train.checkpoint-dir",
        )
        require(
            not self.starts_from_served or self.checkpoint_dir is None,
            "train.checkpoint_dir",
            self.checkpoint_dir,
            "left out with --train.start-from served, as each training then has a"
            " directory of its own",
        )


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """Settings of the classifier that provides the features for the metrics."""

    epochs: int = 4
    """Training epochs; fewer if `max_steps` ends the training first."""

    max_steps: int | None = None
    """End training after this many batches, even if that is before `epochs`; None for
    no limit."""

    batch_size: int = 128
    """Batch size."""

    learning_rate: float = 2e-3
    """Adam's initial learning rate; it decays to 0."""

    held_out: float = 0.1
    """Fraction of the training images held out to measure its accuracy."""

    second_opinion: bool = False
    """For images with labels, also train a network that never sees them, and judge
    generators by the features of both; doubles the time."""

    seed: int = 0
    """Seed for weight initialization and shuffling."""

    def __post_init__(self) -> None:
        field_types.check(self, "classifier")
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            require(value > 0, f"classifier.{name}", value, "at least 1")
        require(
            self.max_steps is None or self.max_steps > 0,
            "classifier.max_steps",
            self.max_steps,
            "at least 1",
        )
        value = self.learning_rate
        require(value > 0, "classifier.learning_rate", value, "above 0")
        require(
            0 < self.held_out < 1, "classifier.held_out", self.held_out, "in (0, 1)"
        )
        require(0 <= self.seed < 2**32, "classifier.seed", self.seed, "in [0, 2**32)")


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Evaluation settings, and the thresholds for a blessing."""

    num_images: int | None = None
    """Images generated per seed, and test images to compare them with. Default: the
    number of test images, at most 10,000."""

    num_seeds: int = 3
    """Number of seeds to evaluate; the spread over them is the error bar, which a
    single seed lacks."""

    accuracy_score: bool = False
    """Also train classifiers on generated and on real images and compare their test
    accuracies (classification accuracy score). Needs a conditional generator; takes
    minutes."""

    seed: int = 0
    """First of these seeds."""

    baseline: Literal["serving_dir", "resolver", "none"] = "serving_dir"
    """Where to look up the last blessed generator, to compare with:
    `serving_dir`: the served version; `resolver`: ML Metadata, through a
    Resolver node, not on Kubeflow; `none`: no comparison."""

    max_frechet: float | None = None
    """Maximum Frechet distance at the largest scale for a blessing."""

    max_frechet_share: float | None = 0.25
    """Maximum Frechet distance at the largest scale for a blessing, as a fraction of
    that of noise; also in the features of the second opinion, if there is one."""

    min_coverage: float | None = 0.05
    """Minimum coverage of the test images for a blessing."""

    max_class_distance: float | None = 0.5
    """Maximum total variation distance between the class distributions of generated
    and test images for a blessing: 0 if equal, 1 if disjoint."""

    max_worsening: float | None = 0.1
    """Maximum relative increase of the Frechet distance at the largest scale over the
    last blessed generator for a blessing; also in the second opinion's features."""

    def __post_init__(self) -> None:
        field_types.check(self, "evaluate")
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
    """Request limits and batching of `msg-gan serve`."""

    max_images: int = 256
    """Maximum number of images, or of labels to be named, per request."""

    max_body_bytes: int = 1_000_000
    """Maximum size of a request body."""

    max_concurrency: int = 128
    """Maximum number of concurrent requests; further ones get status 503."""

    timeout_seconds: float = 30.0
    """Timeout for receiving a request (status 408) and for answering it (504)."""

    batch_images: int = 64
    """Batch waiting requests until the batch has this many images."""

    batch_wait_ms: float = 2.0
    """Maximum time that a batch waits for more requests."""

    poll_seconds: float = 1.0
    """Check for a new version this often."""

    def __post_init__(self) -> None:
        field_types.check(self, "limits")
        for name in ("max_images", "max_body_bytes", "max_concurrency", "batch_images"):
            value = getattr(self, name)
            require(value >= 1, f"limits.{name}", value, "at least 1")
        for name in ("timeout_seconds", "poll_seconds"):
            value = getattr(self, name)
            require(value > 0, f"limits.{name}", value, "above 0")
        require(
            self.batch_wait_ms >= 0, "limits.batch_wait_ms", self.batch_wait_ms, ">= 0"
        )
