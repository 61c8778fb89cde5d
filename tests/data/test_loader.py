"""Feeding: batches in order, read ahead, the same whatever the number of threads."""

import signal
import threading
import time

import numpy
import pytest
from training_data import array_set
from typing_extensions import override

from cnndsl.data.loader import Batch, epoch_order, evaluation_batches, feed
from cnndsl.data.samples import Broken, BrokenSampleError, Dataset, Indices
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError


class Slow(Dataset):
    """Samples that hold their number; the first ones of a batch take the longest to read."""

    def __init__(self, count: int, broken: int = -1) -> None:
        super().__init__("slow", (), labels=numpy.arange(count))
        self.broken = broken
        self.begun: list[int] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    @override
    def name_of(self, index: int) -> str:
        return f"slow[{index}]"

    @override
    def load(self, indices: Indices) -> dict[str, Array]:
        with self._lock:
            self.begun.append(int(indices[0]))
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02 if indices[0] % 2 else 0.001)
        with self._lock:
            self._now -= 1
        for broken in self.faults(indices):
            raise BrokenSampleError(broken)
        return {"input": indices.astype(numpy.float32)}

    @override
    def faults(self, indices: Indices) -> list[Broken]:
        found = [index for index in indices.tolist() if index == self.broken]
        return [Broken(index, self.name_of(index), "it is broken") for index in found]

    @property
    @override
    def fingerprint(self) -> str:
        return ""


def data_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("cnndsl-data")]


def flat(batches: list[Batch]) -> list[list[int]]:
    return [batch.indices.tolist() for batch in batches]


class TestOrder:
    def test_batches_follow_the_order_and_leave_an_incomplete_last_one_out(self) -> None:
        order = numpy.array([4, 2, 0, 1, 3])
        batches = list(feed(array_set([7, 8, 9, 10, 11]), order, 2))
        assert flat(batches) == [[4, 2], [0, 1]]
        assert [batch.labels.tolist() for batch in batches] == [[11, 9], [7, 8]]
        assert [batch.inputs["input"].tolist() for batch in batches] == [[[4], [2]], [[0], [1]]]

    def test_it_can_keep_the_last_one(self) -> None:
        batches = list(feed(array_set([0] * 5), numpy.arange(5), 2, drop_last=False))
        assert flat(batches) == [[0, 1], [2, 3], [4]]

    def test_evaluation_takes_all_in_order(self) -> None:
        assert flat(list(evaluation_batches(array_set([0] * 5), 3))) == [[0, 1, 2], [3, 4]]

    def test_a_run_can_go_on_within_an_epoch(self) -> None:
        whole = list(feed(array_set([0] * 9), numpy.arange(9), 2))
        rest = list(feed(array_set([0] * 9), numpy.arange(9), 2, start=3))
        assert flat(rest) == flat(whole)[3:]

    def test_nothing_is_left_where_all_batches_are_passed_over(self) -> None:
        assert list(feed(array_set([0] * 4), numpy.arange(4), 2, start=5)) == []

    @pytest.mark.parametrize("threads", [1, 2, 7])
    def test_the_order_stays_though_later_batches_are_ready_first(self, threads: int) -> None:
        data = Slow(24)
        batches = list(feed(data, numpy.arange(24), 1, threads=threads))
        assert flat(batches) == [[at] for at in range(24)]
        assert data.most <= threads

    def test_one_sample_makes_one_batch(self) -> None:
        assert flat(list(feed(array_set([0]), numpy.array([0]), 1))) == [[0]]

    def test_labels_can_come_from_elsewhere(self) -> None:
        batches = feed(array_set([3, 4]), numpy.arange(2), 2, labels=lambda indices: indices * 10)
        assert next(batches).labels.tolist() == [0, 10]
        batches.close()

    def test_augmentation_is_told_epoch_and_indices(self) -> None:
        def augment(arrays: dict[str, Array], epoch: int, indices: Indices) -> dict[str, Array]:
            return {"input": arrays["input"] + 100 * epoch + 1000 * indices[:, None]}

        batches = feed(array_set([0, 0]), numpy.array([1, 0]), 2, augment=augment, epoch=3)
        assert [batch.inputs["input"].tolist() for batch in batches] == [[[1301], [300]]]


class TestEpochOrder:
    def test_it_has_every_sample_once(self) -> None:
        assert sorted(epoch_order(100, 1, 2).tolist()) == list(range(100))

    def test_it_is_another_one_for_every_seed_and_epoch(self) -> None:
        orders = [epoch_order(100, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
        assert len({tuple(order) for order in orders}) == 4

    def test_it_never_changes(self) -> None:
        assert epoch_order(8, seed=1, epoch=2).tolist() == [5, 6, 3, 2, 1, 0, 4, 7]
        assert epoch_order(8, seed=1, epoch=2).dtype == numpy.int64


class TestThreads:
    def test_no_more_is_read_than_is_to_be_ahead(self) -> None:
        data = Slow(40)
        batches = feed(data, numpy.arange(40), 1, ahead=3)
        next(batches)
        # The one in hand, and three that wait.
        while len(data.begun) < 4:
            time.sleep(0.001)
        time.sleep(0.1)
        assert data.begun == [0, 1, 2, 3]
        batches.close()

    def test_whoever_stops_early_leaves_no_thread(self) -> None:
        data = Slow(40)
        batches = feed(data, numpy.arange(40), 1, threads=3)
        next(batches)
        assert data_threads()
        batches.close()
        assert data_threads() == []
        assert len(data.begun) < 40

    def test_the_end_leaves_no_thread(self) -> None:
        list(feed(Slow(4), numpy.arange(4), 1, threads=2))
        assert data_threads() == []

    def test_nothing_is_read_before_the_first_batch_is_asked_for(self) -> None:
        data = Slow(4)
        feed(data, numpy.arange(4), 1)
        assert data.begun == []

    @pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX")
    def test_an_interrupt_while_waiting_ends_it_at_once(self) -> None:
        class Interrupted(Slow):
            @override
            def load(self, indices: Indices) -> dict[str, Array]:
                if indices[0] == 3:
                    time.sleep(0.05)
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    time.sleep(0.05)
                return super().load(indices)

        data = Interrupted(1000)
        with pytest.raises(KeyboardInterrupt):
            for _ in feed(data, numpy.arange(1000), 1):
                pass
        assert data_threads() == []
        assert len(data.begun) < 10


class TestErrors:
    def test_what_a_reader_raises_comes_in_its_turn(self) -> None:
        class Failing(Slow):
            @override
            def load(self, indices: Indices) -> dict[str, Array]:
                if indices[0] == 3:
                    raise UserError("CNN804", "it changed")
                return super().load(indices)

        batches = feed(Failing(20), numpy.arange(20), 1, threads=4)
        assert [next(batches).indices.tolist() for _ in range(3)] == [[0], [1], [2]]
        with pytest.raises(UserError, match="it changed"):
            next(batches)
        assert data_threads() == []

    def test_a_broken_sample_is_reported_with_its_name(self) -> None:
        with pytest.raises(UserError) as caught:
            list(feed(Slow(20, broken=13), numpy.arange(20), 4))
        assert caught.value.code == "CNN803"
        assert caught.value.message == "`slow[13]` cannot be used: it is broken"

    def test_augmentation_that_fails_is_not_swallowed(self) -> None:
        def augment(arrays: dict[str, Array], epoch: int, indices: Indices) -> dict[str, Array]:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            list(feed(array_set([0, 1]), numpy.arange(2), 1, augment=augment))
