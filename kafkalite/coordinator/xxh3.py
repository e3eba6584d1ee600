"""XXH3, the 64-bit hash by which Apache Kafka tells whether the topics of a group have changed.

Plain Python is fast enough for what is hashed here: a topic's name, id and partitions, once after each change.
"""

from __future__ import annotations

from struct import unpack_from
from typing import Final

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_P32_1: Final = 0x9E3779B1
_P32_2: Final = 0x85EBCA77
_P32_3: Final = 0xC2B2AE3D
_P64_1: Final = 0x9E3779B185EBCA87
_P64_2: Final = 0xC2B2AE3D27D4EB4F
_P64_3: Final = 0x165667B19E3779F9
_P64_4: Final = 0x85EBCA77C2B2AE63
_P64_5: Final = 0x27D4EB2F165667C5
_PRIME_MX1: Final = 0x165667919E3779F9
_PRIME_MX2: Final = 0x9FB21C651E98DF25
_SECRET: Final = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e"
    "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d"
    "8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc"
    "8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_STRIPE: Final = 64
_STRIPES_PER_BLOCK: Final = (len(_SECRET) - _STRIPE) // 8


def xxh3_64(data: bytes) -> int:
    """The hash of `data`, with seed 0, as an unsigned number."""
    length = len(data)
    if length == 0:
        return _xxh64_avalanche(_u64(_SECRET, 56) ^ _u64(_SECRET, 64))
    if length <= 3:
        word = data[0] << 16 | data[length >> 1] << 24 | data[-1] | length << 8
        return _xxh64_avalanche(word ^ _u32(_SECRET, 0) ^ _u32(_SECRET, 4))
    if length <= 8:
        word = _u32(data, length - 4) + (_u32(data, 0) << 32)
        return _rrmxmx(word ^ _u64(_SECRET, 8) ^ _u64(_SECRET, 16), length)
    if length <= 16:
        low = _u64(data, 0) ^ _u64(_SECRET, 24) ^ _u64(_SECRET, 32)
        high = _u64(data, length - 8) ^ _u64(_SECRET, 40) ^ _u64(_SECRET, 48)
        return _avalanche(length + int.from_bytes(low.to_bytes(8, "little"), "big") + high + _fold(low, high))
    if length <= 128:
        accumulator = length * _P64_1
        for pair in range((length - 1) // 32, -1, -1):
            accumulator += _mix16(data, 16 * pair, 32 * pair)
            accumulator += _mix16(data, length - 16 * (pair + 1), 32 * pair + 16)
        return _avalanche(accumulator)
    if length <= 240:
        return _hash_up_to_240(data, length)
    return _hash_long(data, length)


def _hash_up_to_240(data: bytes, length: int) -> int:
    accumulator = length * _P64_1
    for block in range(8):
        accumulator += _mix16(data, 16 * block, 16 * block)
    accumulator = _avalanche(accumulator)
    for block in range(8, length // 16):
        accumulator += _mix16(data, 16 * block, 16 * (block - 8) + 3)
    accumulator += _mix16(data, length - 16, 136 - 17)
    return _avalanche(accumulator)


def _hash_long(data: bytes, length: int) -> int:
    lanes = [_P32_3, _P64_1, _P64_2, _P64_3, _P64_4, _P32_2, _P64_5, _P32_1]
    for stripe in range((length - 1) // _STRIPE):
        in_block = stripe % _STRIPES_PER_BLOCK
        _accumulate(lanes, data, stripe * _STRIPE, 8 * in_block)
        if in_block == _STRIPES_PER_BLOCK - 1:
            keys = unpack_from("<8Q", _SECRET, len(_SECRET) - _STRIPE)
            for index, key in enumerate(keys):
                lane = lanes[index]
                lanes[index] = (lane ^ lane >> 47 ^ key) * _P32_1 & _MASK
    _accumulate(lanes, data, length - _STRIPE, len(_SECRET) - _STRIPE - 7)
    result = length * _P64_1
    keys = unpack_from("<8Q", _SECRET, 11)
    for index in range(0, 8, 2):
        result += _fold(lanes[index] ^ keys[index], lanes[index + 1] ^ keys[index + 1])
    return _avalanche(result)


def _accumulate(lanes: list[int], data: bytes, position: int, secret_position: int) -> None:
    words = unpack_from("<8Q", data, position)
    keys = unpack_from("<8Q", _SECRET, secret_position)
    for index in range(8):
        key = words[index] ^ keys[index]
        lanes[index ^ 1] = lanes[index ^ 1] + words[index] & _MASK
        lanes[index] = lanes[index] + (key & 0xFFFFFFFF) * (key >> 32) & _MASK


def _mix16(data: bytes, position: int, secret_position: int) -> int:
    low, high = unpack_from("<2Q", data, position)
    key_low, key_high = unpack_from("<2Q", _SECRET, secret_position)
    return _fold(low ^ key_low, high ^ key_high)


def _fold(one: int, other: int) -> int:
    product = one * other
    return product & _MASK ^ product >> 64


def _avalanche(value: int) -> int:
    value &= _MASK
    value = (value ^ value >> 37) * _PRIME_MX1 & _MASK
    return value ^ value >> 32


def _xxh64_avalanche(value: int) -> int:
    value = (value ^ value >> 33) * _P64_2 & _MASK
    value = (value ^ value >> 29) * _P64_3 & _MASK
    return value ^ value >> 32


def _rrmxmx(value: int, length: int) -> int:
    rotated = (value << 49 | value >> 15) ^ (value << 24 | value >> 40)
    value = (value ^ rotated & _MASK) * _PRIME_MX2 & _MASK
    value = (value ^ (value >> 35) + length) * _PRIME_MX2 & _MASK
    return value ^ value >> 28


def _u32(buffer: bytes, position: int) -> int:
    return int.from_bytes(buffer[position : position + 4], "little")


def _u64(buffer: bytes, position: int) -> int:
    return int.from_bytes(buffer[position : position + 8], "little")
