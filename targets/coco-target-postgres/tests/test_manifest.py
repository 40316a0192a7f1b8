from coco_target_postgres import _plugin


def test_the_manifest_names_this_package() -> None:
    manifests = _plugin.coco_ops()
    assert manifests
    assert all(item.target.startswith("coco_target_postgres.") for item in manifests)


def test_users_find_all_names_in_one_place() -> None:
    import coco
    from coco_target_postgres.attachments import PostgresSqlCommand
    from coco_target_postgres.spec import Postgres, PostgresColumnOptions

    assert coco.targets.Postgres is Postgres
    assert coco.targets.PostgresColumnOptions is PostgresColumnOptions
    assert coco.targets.PostgresSqlCommand is PostgresSqlCommand
