"""Codecs: round trips, levels, what other libraries write, and bounds that no claim can move."""

from __future__ import annotations

import gzip
import os
import random
import tracemalloc

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkalite.errors import ErrorCode, KafkaError
from kafkalite.records import lz4_frame, snappy_framing
from kafkalite.records.compression import CompressionType, ScratchBuffer, compress, decompress

CODECS = [codec for codec in CompressionType if codec]


@given(st.binary(max_size=3000), st.integers(1, 60), st.sampled_from(list(CompressionType)), st.sampled_from([0, 1, 2]))
def test_every_codec_gives_back_what_it_was_given(data: bytes, repeat: int, codec: CompressionType, magic: int) -> None:
    plain = data * repeat
    assert decompress(codec, compress(codec, plain, magic=magic), max_size=len(plain), magic=magic) == plain


@pytest.mark.parametrize("codec", CODECS)
def test_blocks_are_cut_and_joined_at_their_borders(codec: CompressionType) -> None:
    noise = os.urandom(200_000)
    for size in (0, 1, 32767, 32768, 32769, 65535, 65536, 65537, 131072, 200_000):
        assert decompress(codec, compress(codec, noise[:size])) == noise[:size]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_will_do(codec: CompressionType, wrap: type) -> None:
    plain = b"records " * 1000
    assert decompress(codec, wrap(compress(codec, wrap(plain)))) == plain


@given(st.lists(st.tuples(st.sampled_from(list(CompressionType)), st.binary(max_size=300), st.integers(0, 300))))
def test_a_scratch_buffer_gives_one_after_the_other_whatever_was_there_before(
    contents: list[tuple[CompressionType, bytes, int]],
) -> None:
    scratch = ScratchBuffer()
    for codec, data, repeat in contents:
        assert bytes(scratch.decompress(codec, compress(codec, data * repeat))) == data * repeat


@pytest.mark.parametrize("codec", [CompressionType.SNAPPY, CompressionType.LZ4, CompressionType.ZSTD])
def test_a_scratch_buffer_takes_memory_once_and_keeps_no_more_than_a_few_megabytes(codec: CompressionType) -> None:
    noise = os.urandom(1_000_000)
    one, large = compress(codec, noise), compress(codec, noise * 20)
    scratch = ScratchBuffer()
    assert bytes(scratch.decompress(codec, large)) == noise * 20
    scratch.decompress(codec, one)
    tracemalloc.start()
    assert scratch.decompress(codec, one) == noise
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000


@pytest.mark.parametrize(
    ("codec", "low", "high"),
    [(CompressionType.GZIP, 1, 9), (CompressionType.ZSTD, -20, 19), (CompressionType.LZ4, 9, 12)],
)
def test_a_higher_level_takes_fewer_bytes(codec: CompressionType, low: int, high: int) -> None:
    plain = b"".join(b"%d:%d " % (number, number * number % 997) for number in range(20_000))
    loose, tight = compress(codec, plain, level=low), compress(codec, plain, level=high)
    assert len(tight) < len(loose)
    assert decompress(codec, loose) == decompress(codec, tight) == plain


@pytest.mark.parametrize(("codec", "lowest", "highest"), [("gzip", 1, 9), ("lz4", 1, 17), ("zstd", -131072, 22)])
def test_the_levels_at_either_end_of_the_configurations_range_work(codec: str, lowest: int, highest: int) -> None:
    kind = CompressionType.for_name(codec)
    for level in (lowest, highest):
        assert decompress(kind, compress(kind, b"level " * 500, level=level)) == b"level " * 500


@pytest.mark.parametrize("codec", CODECS)
def test_unfolding_stops_at_the_bound(codec: CompressionType) -> None:
    bomb = compress(codec, bytes(8_000_000))
    assert len(decompress(codec, bomb, max_size=8_000_000)) == 8_000_000
    tracemalloc.start()
    try:
        with pytest.raises(KafkaError, match="more than 100000 bytes"):
            decompress(codec, bomb, max_size=100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


@pytest.mark.parametrize("codec", CODECS)
def test_an_empty_bound_allows_only_nothing(codec: CompressionType) -> None:
    assert decompress(codec, compress(codec, b""), max_size=0) == b""
    with pytest.raises(KafkaError, match="more than 0 bytes"):
        decompress(codec, compress(codec, b"x"), max_size=0)


@pytest.mark.parametrize("codec", CODECS)
def test_a_cut_off_stream_is_refused_wherever_it_ends(codec: CompressionType) -> None:
    stream = compress(codec, b"abcdefgh" * 10_000 + os.urandom(500))
    starts = [0, 1, 3, 5, 7, 15, 17, 19, len(stream) // 2, len(stream) - 1]
    for end in starts:
        if codec == CompressionType.SNAPPY and 16 <= end < 20:
            assert decompress(codec, stream[:end]) == b""  # as in Java a frame may end where a block would begin
            continue
        with pytest.raises(KafkaError) as raised:
            decompress(codec, stream[:end])
        assert raised.value.error == ErrorCode.UNKNOWN_SERVER_ERROR
        assert raised.value.message.startswith("Failed to decompress record stream: ")


@given(st.sampled_from(CODECS), st.binary(max_size=200), st.data())
def test_no_bytes_make_a_codec_raise_anything_but_the_one_error(
    codec: CompressionType, noise: bytes, data: st.DataObject
) -> None:
    stream = bytearray(compress(codec, b"some records " * 50))
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 5))):
            stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    else:
        stream[data.draw(st.integers(0, 20)) :] = noise
    try:
        plain = decompress(codec, stream, max_size=100_000, magic=data.draw(st.sampled_from([0, 2])))
    except KafkaError as error:
        assert error.error == ErrorCode.UNKNOWN_SERVER_ERROR
    else:
        assert len(plain) <= 100_000


def test_gzip_members_may_follow_each_other_and_other_bytes_behind_them_are_ignored() -> None:
    stream = gzip.compress(b"one ") + gzip.compress(b"two") + b"\x00\x00"
    assert decompress(CompressionType.GZIP, stream) == b"one two"
    with pytest.raises(KafkaError, match="more than 5 bytes"):
        decompress(CompressionType.GZIP, stream, max_size=5)


def test_zstd_frames_without_a_content_size_are_unfolded_up_to_the_bound() -> None:
    plain = b"streamed " * 200_000
    compressor = cramjam.zstd.Compressor(3)
    compressor.compress(plain)
    stream = bytes(compressor.finish())
    assert decompress(CompressionType.ZSTD, stream) == plain
    with pytest.raises(KafkaError, match=f"more than {len(plain) - 1} bytes"):
        decompress(CompressionType.ZSTD, stream, max_size=len(plain) - 1)


def test_snappy_is_written_with_the_java_librarys_header_and_block_size() -> None:
    stream = compress(CompressionType.SNAPPY, bytes(70_000))
    assert stream[:16].hex() == "82534e4150505900" + "00000001" + "00000001"
    sizes = []
    position = 16
    while position < len(stream):
        size = int.from_bytes(stream[position : position + 4], "big")
        sizes.append(len(bytes(cramjam.snappy.decompress_raw(stream[position + 4 : position + 4 + size]))))
        position += 4 + size
    assert sizes == [32768, 32768, 4464]


def test_snappy_is_read_as_one_raw_block_too_and_with_headers_between_blocks() -> None:
    raw = bytes(cramjam.snappy.compress_raw(b"raw block" * 9))
    assert decompress(CompressionType.SNAPPY, raw) == b"raw block" * 9
    joined = compress(CompressionType.SNAPPY, b"one ") + compress(CompressionType.SNAPPY, b"two")
    assert decompress(CompressionType.SNAPPY, joined) == b"one two"


def test_a_snappy_block_that_claims_gigabytes_costs_nothing() -> None:
    claim = b"\xff\xff\xff\xff\x0f" + b"\x00" * 20
    framed = snappy_framing.HEADER + len(claim).to_bytes(4, "big") + claim
    for stream in (claim, framed):
        with pytest.raises(KafkaError, match="more than"):
            decompress(CompressionType.SNAPPY, stream)
        with pytest.raises(KafkaError, match="declares more than it can hold"):
            decompress(CompressionType.SNAPPY, stream, max_size=1 << 40)


def test_lz4_is_written_as_independent_blocks_with_the_right_header_checksum() -> None:
    stream = compress(CompressionType.LZ4, b"lz4 " * 100)
    assert stream[:7].hex() == "04224d18" + "60" + "40" + "82"
    assert stream[-4:] == bytes(4)
    assert bytes(cramjam.lz4.decompress(stream)) == b"lz4 " * 100


def test_lz4_of_magic_0_has_the_old_header_checksum_and_is_read_with_either() -> None:
    old = compress(CompressionType.LZ4, b"lz4 " * 100, magic=0)
    assert old[6] != 0x82
    new = compress(CompressionType.LZ4, b"lz4 " * 100)
    assert old[:6] + old[7:] == new[:6] + new[7:]
    for stream in (old, new):
        assert decompress(CompressionType.LZ4, stream, magic=0) == b"lz4 " * 100
    with pytest.raises(KafkaError, match="Stream frame descriptor corrupted"):
        decompress(CompressionType.LZ4, old, magic=1)


@pytest.mark.parametrize(
    ("flags", "block_descriptor", "text"),
    [
        (0x40, 0x40, "Dependent block stream is unsupported"),
        (0x20, 0x40, "Version 0 is unsupported"),
        (0x62, 0x40, "Reserved bits must be 0"),
        (0x60, 0x30, "Block size value"),
        (0x60, 0xC0, "Block size value"),
    ],
)
def test_lz4_frames_that_the_java_client_cannot_read_are_refused(flags: int, block_descriptor: int, text: str) -> None:
    stream = lz4_frame.MAGIC + bytes((flags, block_descriptor, 0)) + bytes(4)
    with pytest.raises(KafkaError, match=text):
        decompress(CompressionType.LZ4, stream)


def _stored(*blocks: bytes, flags: int = 0x60, behind_block: bytes = b"", behind_frame: bytes = b"") -> bytes:
    """An LZ4 frame of blocks that are not compressed."""
    descriptor = bytes((flags, 0x40))
    parts = [lz4_frame.MAGIC, descriptor, lz4_frame._header_checksum(descriptor)]
    for block in blocks:
        parts += [(len(block) | lz4_frame.INCOMPRESSIBLE).to_bytes(4, "little"), block, behind_block]
    return b"".join((*parts, bytes(4), behind_frame))


def test_lz4_blocks_that_do_not_compress_are_read_and_bounded() -> None:
    noise = random.Random(0).randbytes(1000)
    assert compress(CompressionType.LZ4, noise) == _stored(noise)
    for blocks in ((noise,), (noise, noise), (noise[:1],)):
        stream = _stored(*blocks)
        assert decompress(CompressionType.LZ4, stream) == b"".join(blocks) == bytes(cramjam.lz4.decompress(stream))
    assert decompress(CompressionType.LZ4, _stored(noise), max_size=1000) == noise
    with pytest.raises(KafkaError, match="would take more than 999 bytes"):
        decompress(CompressionType.LZ4, _stored(noise), max_size=999)


@pytest.mark.parametrize(
    "stream", [_stored(b"abc", flags=0x70, behind_block=b"bad!"), _stored(b"abc", flags=0x64, behind_frame=b"bad!")]
)
def test_checksums_of_lz4_blocks_that_do_not_compress_are_checked(stream: bytes) -> None:
    with pytest.raises(KafkaError, match="Failed to decompress record stream"):
        decompress(CompressionType.LZ4, stream)


def test_bytes_behind_an_lz4_frame_are_ignored() -> None:
    assert decompress(CompressionType.LZ4, compress(CompressionType.LZ4, b"frame") + b"rest") == b"frame"


def test_codecs_are_known_by_name_and_number() -> None:
    assert [codec.codec_name for codec in CompressionType] == ["none", "gzip", "snappy", "lz4", "zstd"]
    assert CompressionType.for_name("zstd") is CompressionType.ZSTD
    with pytest.raises(ValueError, match="Unknown compression name: brotli"):
        CompressionType.for_name("brotli")
    with pytest.raises(KafkaError, match="Unknown compression type id: 5"):
        decompress(5, b"")
    with pytest.raises(KafkaError, match="Unknown compression type id: 7"):
        compress(7, b"")
