"""The installed version, for the client and for `fimd --version`."""

from importlib.metadata import PackageNotFoundError, version


def _installed_version() -> str:
    try:
        return version("fimd")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"


VERSION = _installed_version()
