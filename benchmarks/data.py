"""Benchmark of the training data pipeline: ours, TensorFlow's operations and TFRecords.

All three make batches of excerpts on one core and alternate. The second mixes our excerpts with
TensorFlow's operations; the third is the pipeline of the original Wave-U-Net code: TFRecords with
a shuffle buffer.

`python benchmarks/data.py [--tracks 10] [--seconds 120] [--runs 5] [--shuffle 4000] [--json FILE]`
prints one line per pipeline: medians over the runs, ratios of paired runs, the memory without the
tracks, and the time of a batch as a share of a training step of U1. The tracks are noise in a
temporary folder, which needs three times their size as float32.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from jnet.system.quiet_tensorflow import import_quietly

import_quietly()

# isort: split
import tensorflow as tf
from machine import machine

from Config import DEFAULTS, make_run_settings
from jnet.data.excerpts import draw_batch
from jnet.data.pipeline import PREFETCHED_BATCHES, make_training_batches
from jnet.data.preparation import to_int16, write_samples
from jnet.data.store import Store, StoredTrack, audio_path
from jnet.settings.run import RunSettings
from jnet.training.step import build_training_step

BATCH = 16
EXCERPTS_PER_TRACK = 100  # number of excerpts that the original code cuts from a track
BATCHES = {"ours": 400, "mixed by TensorFlow": 200, "TFRecords": 40}  # per measurement


def u1() -> RunSettings:
    """Return the settings of J-Net's U1: segments of 16384 samples, two sources, stereo."""
    return make_run_settings(dict(DEFAULTS), seed=1)


def write_store(folder: Path, tracks: int, seconds: float) -> Store:
    """Write a store of noise with the files that preparation writes.

    Parameters
    ----------
    folder : Path
    tracks : int
        The number of tracks.
    seconds : float
        The duration of each track.

    Returns
    -------
    Store
    """
    model, random = u1().model, np.random.default_rng(0)
    shape = (int(seconds * model.sample_rate), len(model.sources), model.num_channels)
    stored = []
    for index in range(tracks):
        samples, scale = to_int16(random.standard_normal(shape, np.float32))
        stored.append(StoredTrack(f"track {index}", "train", len(samples), scale, ""))
        path = audio_path(folder, stored[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_samples(path, samples)
    return Store(folder, tuple(stored), *shape[1:])


def mix_in_tensorflow(store: Store) -> tf.data.Dataset:
    """Return our batches, scaled and mixed by TensorFlow's operations instead of NumPy.

    NumPy only cuts the int16 excerpts.
    """
    model, augmentation = u1().model, u1().augmentation
    tracks = store.subset("train")
    arrays = [np.asarray(store.open(track)) for track in tracks]
    frames = np.array([track.frames for track in tracks])
    scales = np.array([track.scale for track in tracks], np.float32)
    shape = (BATCH, model.num_frames, len(model.sources), model.num_channels)

    def cut(step):
        drawn = draw_batch(1, int(step), BATCH, frames, model, augmentation)
        windows = np.empty(shape, np.int16)
        for row, (track, offset) in enumerate(zip(drawn.tracks, drawn.offsets, strict=True)):
            windows[row] = arrays[track][offset : offset + model.num_frames]
        return windows, drawn.gains * scales[drawn.tracks, np.newaxis]

    def mix(step):
        windows, factors = tf.numpy_function(cut, [step], [tf.int16, tf.float32])
        sources = tf.cast(tf.ensure_shape(windows, shape), tf.float32)
        sources *= tf.ensure_shape(factors, shape[::2])[:, tf.newaxis, :, tf.newaxis]
        return tf.reduce_sum(sources, axis=2), sources

    return disable_autotune(tf.data.Dataset.range(2**62).map(mix).prefetch(PREFETCHED_BATCHES))


def read_tfrecords(store: Store, shuffle: int) -> tf.data.Dataset:
    """Return batches made from TFRecords of float32 tracks, as the original code does.

    Excerpts of each track are cut, scaled and mixed, then drawn from a buffer of `shuffle` of them.
    """
    model = u1().model
    lanes = (len(model.sources), model.num_channels)
    path = store.folder / "tracks.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for track in store.tracks:
            audio = (store.open(track) * np.float32(track.scale)).tobytes()
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[audio]))
            example = tf.train.Example(features=tf.train.Features(feature={"audio": value}))
            writer.write(example.SerializeToString())

    def excerpts(record):
        parsed = tf.io.parse_single_example(record, {"audio": tf.io.FixedLenFeature([], tf.string)})
        audio = tf.reshape(tf.io.decode_raw(parsed["audio"], tf.float32), (-1, *lanes))
        last = tf.shape(audio)[0] - model.num_frames

        def excerpt(_):
            first = tf.random.uniform([], 0, last + 1, tf.int32)
            window = audio[first : first + model.num_frames]
            gains = tf.random.uniform((lanes[0], 1), *u1().augmentation.gains)
            sources = tf.ensure_shape(window, (model.num_frames, *lanes)) * gains
            return tf.reduce_sum(sources, axis=1), sources

        return tf.data.Dataset.range(EXCERPTS_PER_TRACK).map(excerpt)

    records = tf.data.TFRecordDataset(str(path)).repeat()
    return disable_autotune(records.flat_map(excerpts).shuffle(shuffle).batch(BATCH).prefetch(1))


def disable_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return the dataset without autotuning, which would start more threads."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def measure_memory() -> int:
    """Return the memory of this process in bytes, without mapped files."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no entry RssAnon")


@tf.function
def take(batches: Iterator, count: tf.Tensor) -> None:
    """Take `count` batches within a graph, as training does, without Python code per batch."""
    for _ in tf.range(count):
        batches.get_next()


def measure_excerpt(batches: Iterator, count: int) -> tuple[float, float]:
    """Return the CPU time and the wall-clock time per excerpt in seconds, over `count` batches."""
    core, clock = time.process_time(), time.perf_counter()
    take(batches, tf.constant(count))
    excerpts = count * BATCH
    return (time.process_time() - core) / excerpts, (time.perf_counter() - clock) / excerpts


def compare(store: Store, shuffle: int, runs: int) -> list[dict]:
    """Measure all pipelines alternately, after each has made its first batches.

    Parameters
    ----------
    store : Store
    shuffle : int
        The size of the shuffle buffer in excerpts.
    runs : int
        The number of measurements of each pipeline.

    Returns
    -------
    list of dict
        The figures of each pipeline.
    """
    run = u1()
    pipelines: dict[str, Callable[[], tf.data.Dataset]] = {
        "ours": lambda: make_training_batches(store, run.model, run.augmentation, BATCH, 1, 0),
        "mixed by TensorFlow": lambda: mix_in_tensorflow(store),
        "TFRecords": lambda: read_tfrecords(store, shuffle),
    }
    iterators, memory, first = {}, {}, {}
    for pipeline, dataset in pipelines.items():
        before = measure_memory()
        iterators[pipeline] = iter(dataset())
        first[pipeline] = [part.numpy() for part in next(iterators[pipeline])]
        take(iterators[pipeline], tf.constant(2 * PREFETCHED_BATCHES))
        memory[pipeline] = measure_memory() - before
    for ours, theirs in zip(first["ours"], first["mixed by TensorFlow"], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    times: dict[str, list[tuple[float, float]]] = {pipeline: [] for pipeline in pipelines}
    for _ in range(runs):
        for pipeline, batches in iterators.items():
            times[pipeline].append(measure_excerpt(batches, BATCHES[pipeline]))
    return [
        {
            "way": pipeline,
            "excerpts_per_core_second": 1 / statistics.median(core for core, _ in times[pipeline]),
            "excerpts_per_second": 1 / statistics.median(clock for _, clock in times[pipeline]),
            "times_tfrecords": statistics.median(
                slow / fast
                for (slow, _), (fast, _) in zip(times["TFRecords"], times[pipeline], strict=True)
            ),
            "memory_bytes": memory[pipeline],
        }
        for pipeline in pipelines
    ]


def measure_step() -> float:
    """Return the median time in seconds of five training steps of U1 on all cores.

    The batch has 16 excerpts; a first step is not counted.
    """
    run = u1()
    step = build_training_step(run.model, run.training)
    mix = np.random.default_rng(0).standard_normal((BATCH, run.model.num_frames, 2), np.float32)
    sources = np.stack([mix / 2, mix / 2], axis=2)
    taken = []
    for number in range(6):
        start = time.perf_counter()
        step.train_on_batch(mix, sources, number)
        assert step.find_failed_step() is None  # waits until the step is done
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def measure_step_in_new_process() -> float:
    """Return the result of `measure_step` in a new process, which is not bound to one core."""
    words = [sys.executable, __file__, "--step"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def use_one_core() -> None:
    """Bind this process to its last core; call this before TensorFlow starts its threads."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def main() -> None:
    """Print the figures of all pipelines, and the share of a training step that a batch takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--shuffle", type=int, default=4000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", action="store_true", help="only time a training step")
    given = parser.parse_args()
    if given.step:
        print(measure_step())
        return
    step = measure_step_in_new_process()
    use_one_core()
    with tempfile.TemporaryDirectory() as folder:
        store = write_store(Path(folder), given.tracks, given.seconds)
        figures = compare(store, given.shuffle, given.runs)
    for figure in figures:
        figure["share_of_a_step"] = BATCH / figure["excerpts_per_core_second"] / step
        print(
            f"{figure['way']}: {figure['excerpts_per_core_second']:.0f} excerpts/s on one core "
            f"({figure['excerpts_per_second']:.0f} by wall-clock time), "
            f"{figure['times_tfrecords']:.1f} times TFRecords, "
            f"{figure['memory_bytes'] / 2**20:.0f} MiB, {figure['share_of_a_step']:.2%} of a step"
        )
    print(f"a training step of U1 with {BATCH} excerpts: {step:.2f} s")
    if given.json:
        content = {
            "machine": machine("tensorflow", "numpy"),
            "step_seconds": step,
            "figures": figures,
        }
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
