"""A network in training: its inputs, augmented and mixed, and the losses on its outputs."""

import keras
import numpy as np
from keras import ops

from pipeline.system.failure import Failure
from pipeline.training import action_units, hardware, towers
from pipeline.training.augment import Augment
from pipeline.training.config import ResolvedConfig
from pipeline.training.faster import faster
from pipeline.training.mixing import Mix

# What people voted for in FER+ (Barsoum et al. 2016, arXiv 1608.01041): seven emotions and contempt
VOTED_CLASSES = 8


class Student(keras.Model):
    """The network behind augmentation and mixing, with its losses. A batch is a dict:

    * ``images`` ``(N, H, W, 1)``, values 0 to 255;
    * ``label`` ``(N, C)``, one-hot;
    * ``weight`` ``(N,)``, where there are class weights;
    * ``votes`` ``(N, 8)``, shares of the FER+ votes (rows of zeros where there are none), when the weight
      ``train.votes`` is above 0;
    * ``teacher`` ``(N, C)``, the teachers' mean probabilities, when the share ``train.teacher`` is above 0.

    The loss is the cross-entropy with the smoothed label, a share ``train.teacher`` of it replaced by the divergence
    from the teachers' probabilities at ``train.temperature`` (Hinton et al. 2015, arXiv 1503.02531); plus
    ``train.votes`` times the cross-entropy of a second head with the votes; plus ``train.action_units`` times that of
    another with the label's action units; plus the network's own regularisers.

    Attributes:
        net: the network, of layers that train faster where there are some; its weights are those that are kept.
        trunk: ``net``, or where other heads are learned a model of all outputs by name.
        towers: in how many parts a batch is trained, see pipeline.training.towers.
    """

    def __init__(self, net: keras.Model, config: ResolvedConfig):
        super().__init__(name="student")
        settings = config["train"]
        # weights of two terms of the loss; config["votes"] and config["teacher"] are digests
        self.votes_weight, self.teacher_share = settings["votes"], settings["teacher"]
        self.temperature, self.action_units_weight = settings["temperature"], settings["action_units"]
        self.augment = Augment(**config["augment"])
        self.towers = hardware.towers(settings["precision"], settings["batch_size"])
        self.net = net = faster(net, self.towers)
        self.mix = None
        if settings["mixup"] or settings["cutmix"]:
            self.mix = Mix(mixup=settings["mixup"], cutmix=settings["cutmix"], share=settings["mix_share"])
        features, heads = net.get_layer("logits").input, {}
        if self.votes_weight:
            heads["crowd"] = keras.layers.Dense(VOTED_CLASSES, dtype="float32", name="crowd")(features)
        if self.action_units_weight:
            self.units_of_class = action_units.prototypes(config["classes"])
            heads["units"] = keras.layers.Dense(self.units_of_class.shape[1], dtype="float32", name="units")(features)
        self.trunk = keras.Model(net.input, {"logits": net.output, **heads}) if heads else net
        self.against_label = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings["label_smoothing"])
        self.accuracy = keras.metrics.Mean(name="accuracy")

    def call(self, batch, training=False):
        images = self.augment(ops.cast(batch["images"], "float32"), training=training)
        targets = {name: ops.cast(value, "float32") for name, value in batch.items() if name != "images"}
        if training and self.mix is not None:
            images, targets = self.mix(images, targets)
        outputs = self.trunk(images, training=training)
        return {**(outputs if isinstance(outputs, dict) else {"logits": outputs}), "targets": targets}

    def train_step(self, *arguments):
        # under JAX, Keras's takes the state of all variables as well
        if self.towers == 1:
            return super().train_step(*arguments)
        ((batch,),) = arguments
        return towers.train_step(self, batch, self.towers)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        # the targets are in y_pred, because mixing has changed them; y is what ``fit`` would be given beside a batch
        logits, targets = y_pred["logits"], y_pred["targets"]
        loss = self.against_label(targets["label"], logits, sample_weight=targets.get("weight"))
        if self.teacher_share:
            heat = self.temperature
            # the teachers' probabilities at that temperature; their logarithms are logits
            soft = ops.softmax(ops.log(ops.maximum(targets["teacher"], 1e-7)) / heat)
            entropy = -ops.sum(soft * ops.log(ops.maximum(soft, 1e-7)), axis=-1)
            # heat**2 lets its gradients be as large as the labels' at any temperature (Hinton, section 2)
            divergence = heat**2 * ops.mean(_cross_entropy(soft, logits / heat) - entropy)
            loss = (1 - self.teacher_share) * loss + self.teacher_share * divergence
        if self.votes_weight:
            loss = loss + self.votes_weight * ops.mean(_cross_entropy(targets["votes"], y_pred["crowd"]))
        if self.action_units_weight:
            # linear in the label, so that a mixed image has its parts' units
            units = ops.matmul(targets["label"], self.units_of_class)
            # a unit is moved or not, independently of the others: the sum of their cross-entropies
            entropy = ops.sum(ops.binary_crossentropy(units, y_pred["units"], from_logits=True), axis=-1)
            loss = loss + self.action_units_weight * ops.mean(entropy)
        return loss + sum(self.losses) if self.losses else loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        hits = ops.argmax(y_pred["logits"], axis=-1) == ops.argmax(y_pred["targets"]["label"], axis=-1)
        self.accuracy.update_state(ops.cast(hits, "float32"))
        return self.get_metrics_result()


def feed(config: ResolvedConfig, images: np.ndarray, labels: np.ndarray,
         extra: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the student of a resolved config is fed: images ``(N, H, W)``, labels ``(N,)`` and ``extra`` targets as the
    columns that batches are cut from. Raises Failure for a target that the recipe learns from and ``extra`` lacks."""
    data = {"images": images[..., None], "label": np.eye(len(config["classes"]), dtype="float32")[labels]}
    if class_weights := config.get("class_weights"):
        data["weight"] = np.asarray(class_weights, "float32")[labels]
    for name, weight in (("votes", config["train"]["votes"]), ("teacher", config["train"]["teacher"])):
        if weight:
            if name not in extra:
                raise Failure(f"training: train.{name} is {weight}, but the faces have no {name}; set it to 0 or add "
                              f"{name}.npy to the faces")
            data[name] = extra[name].astype("float32")
    return data


def _cross_entropy(target, logits):
    """``(N,)``: of targets ``(N, C)`` against logits ``(N, C)``, in nats; a target of mass 0 counts nothing."""
    return ops.sum(target, axis=-1) * ops.logsumexp(logits, axis=-1) - ops.sum(target * logits, axis=-1)
