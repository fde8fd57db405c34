"""Model packages: operations of people on them, and a device's download."""

from collections.abc import Iterator

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.contract import ModelPackage


class Models(Connection):
    """Operations on model packages."""

    def add_model(self, package: bytes) -> ModelPackage:
        """Keep a model package for the devices."""
        return self._one(
            ModelPackage, "POST", "/v1/models", body=package, media_type="application/zip"
        )

    def list_models(
        self, *, limit: int | None = None, after: str | None = None
    ) -> Page[ModelPackage]:
        """Read the model packages.

        Args:
            limit: How many at most, 1 to 200; None: all.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(ModelPackage, "/v1/models", limit=limit, after=after)

    def iter_models(self) -> Iterator[ModelPackage]:
        """Read all model packages, page after page."""
        return each(lambda cursor: self.list_models(after=cursor))

    def delete_model(self, sha256: str) -> None:
        """Delete a model package. Devices that run its model keep it."""
        self._ask("DELETE", "/v1/models/{}", sha256)

    def get_model(self, sha256: str) -> bytes:
        """Get a model package, with a device's key."""
        return self._ask("GET", "/v1/devices/me/models/{}", sha256).content
