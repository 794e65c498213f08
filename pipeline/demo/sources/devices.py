"""Linux's cameras as devices: their paths and ids, so that one is found again under another number."""

import re
import sys
from pathlib import Path

DEVICES = Path("/dev")
# A folder per camera device, with its name and, as a camera has several devices, the device's index in it
CLASS = Path("/sys/class/video4linux")


class Device:
    """A camera by its number or path; ``locate`` says where it is now, which replugging may have changed.

    Its id is the link in /dev/v4l/by-id, made of maker, model and serial number; where there is none, the name that the
    driver gives it.
    """

    def __init__(self, camera: int | Path):
        self._camera = camera
        self._path = DEVICES / f"video{camera}" if isinstance(camera, int) else camera
        linux = sys.platform.startswith("linux") and self._path.exists()
        self._link = _link_to(self._path) if linux else None
        self._name = _name_of(self._path) if linux else None

    def locate(self) -> int | str | None:
        """What to open, an index or a device's path; None while it is unplugged, lest another camera be opened."""
        if self._link is not None:
            return self._opened(self._link) if self._link.exists() else None
        if self._name is not None:
            devices = sorted(DEVICES.glob("video*"), key=lambda path: (path != self._path, _number(path)))
            device = next((path for path in devices if _name_of(path) == self._name), None)
            return self._opened(device) if device is not None else None
        return self._camera if isinstance(self._camera, int) else str(self._camera)

    def _opened(self, path: Path) -> int | str:
        """The index that a path has now, if the camera was chosen by its index; else the path."""
        return _number(path.resolve()) if isinstance(self._camera, int) else str(path)


def _number(path: Path) -> int:
    match = re.fullmatch(r"video(\d+)", path.name)
    return int(match[1]) if match else -1


def _link_to(device: Path) -> Path | None:
    """The link by which a device is found again: the one that was named, else the one in by-id that points to it."""
    folder = DEVICES / "v4l/by-id"
    if device.is_symlink():
        return device
    return next((link for link in sorted(folder.glob("*")) if link.resolve() == device.resolve()), None)


def _name_of(device: Path) -> tuple[str, str] | None:
    """The driver's name of the camera and the device's index in it; None where there is no such device."""
    folder = CLASS / device.name
    try:
        return (folder / "name").read_text().strip(), (folder / "index").read_text().strip()
    except OSError:
        return None
