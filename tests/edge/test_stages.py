from edge.stages import Stage, Stages
from tests.edge.clocks import Clock


def test_a_stage_is_busy_for_as_long_as_its_call_lasts() -> None:
    clock = Clock()
    stages = Stages(clock)
    assert stages.busy() == {}
    with stages.doing(Stage.STORAGE):
        clock.now += 3
        assert stages.busy_s(Stage.STORAGE) == 3
        assert stages.busy() == {"storage": 3.0}
    assert stages.busy_s(Stage.STORAGE) == 0
