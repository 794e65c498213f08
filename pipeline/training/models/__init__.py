"""Architectures, one file per family; needs keras and numpy alone.

Every family module has ``build(classes, size, **options) -> keras.Model`` that maps gray images
``(N, size, size, 1)`` with values 0 to 255 to float32 logits ``(N, classes)``, and whose last layer is called
``logits``. It says whose architecture it is. S1 to S5 are the published systems, see pipeline/recipes.
"""

from importlib import import_module

import keras

from pipeline.system.failure import Failure

# The modules in this folder that hold a network
FAMILIES = ("cas", "compact", "deepfer", "harini", "javier", "padova_inception", "padova_resnet", "padova_vgg",
            "resnet", "resnet_v2", "seresnet", "vgg")


def build(name: str, *, classes: int, size: int = 48, **options) -> keras.Model:
    """Build the network ``name`` with fresh weights; it ends in logits.

    Raises Failure when no family has that name, an option is not one of the family's, or the images are too small.
    """
    if name not in FAMILIES:
        raise Failure(f"model.name is {name!r}, expected one of {', '.join(FAMILIES)}")
    family = import_module(f"{__name__}.{name}")
    try:
        return family.build(classes=classes, size=size, **options)
    except TypeError as error:
        raise Failure(f"model: {name} does not take these options ({error}); the arguments of `build` in "
                      f"pipeline/training/models/{name}.py are what it takes") from error
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise Failure(f"model: {name} cannot be built with these options for {size} x {size} pixels ({reason}); a "
                      "smaller depth or crop leaves it more pixels") from error


def with_softmax(net: keras.Model) -> keras.Model:
    """The network as it is saved and served: probabilities ``(N, classes)`` instead of logits."""
    image = keras.Input(net.input_shape[1:], name="image")
    return keras.Model(image, keras.layers.Softmax(name="probabilities", dtype="float32")(net(image)), name=net.name)
