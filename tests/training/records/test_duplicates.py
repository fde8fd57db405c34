from training.records.duplicates import Pair, join
from training.records.record import Record
from training.records.splits import split_of


def picture(name: str, split: str | None = None) -> Record:
    return Record(
        "s", f"{name}.png", name, split or split_of(name), 8, 8, False, "with_mask", (), bool(split)
    )


def alike(first: int, second: int) -> Pair:
    return Pair(first, second, 2, False, True)


def test_a_picture_of_two_given_splits_stays_in_the_stricter_one_alone() -> None:
    records = [picture("a", "train"), picture("b", "validation"), picture("c", "test")]
    joined = join(records, [alike(0, 1), alike(1, 2)])
    assert joined.left_out == {0: 1, 1: 2}
    assert [r.split for r in joined.records] == ["train", "validation", "test"]
    assert joined.moved == 0


def test_a_free_picture_is_left_out_of_training_if_a_given_split_holds_it() -> None:
    free = next(n for n in map(str, range(100)) if split_of(n) == "train")
    joined = join([picture("a", "test"), picture(free)], [alike(0, 1)])
    assert joined.left_out == {1: 0}


def test_a_free_picture_follows_its_duplicate_into_given_training() -> None:
    free = next(n for n in map(str, range(100)) if split_of(n) == "validation")
    joined = join([picture("a", "train"), picture(free)], [alike(0, 1)])
    assert joined.left_out == {}
    assert [r.split for r in joined.records] == ["train", "train"]
    assert joined.records[1].split_given
    assert joined.moved == 1


def test_equal_pictures_of_one_given_split_stay() -> None:
    joined = join([picture("a", "train"), picture("b", "train")], [alike(0, 1)])
    assert joined.left_out == {}
