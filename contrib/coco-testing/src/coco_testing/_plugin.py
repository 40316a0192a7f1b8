"""What this distribution brings to coco. Light: nothing else is imported until it is used."""

from coco.plugins import CommandManifest, hookimpl

COCO_API = 1


@hookimpl
def coco_cli_commands() -> list[CommandManifest]:
    """The commands, by name."""
    return [
        CommandManifest(
            "new",
            "coco_testing.scaffold.command:new",
            doc="Write the package of a plugin, with tests that pass.",
        )
    ]
