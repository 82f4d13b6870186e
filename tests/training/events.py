"""Reads TensorBoard's event files, from their specification alone: TFRecord frames with masked CRC-32C,
protocol buffers Event { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 }."""

import struct


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of every catalogue of CRCs


def records(path):
    """The records of a file; raises if one is damaged. A last one that is cut off ends the file."""
    data = open(path, "rb").read()
    at = 0
    while at + 12 <= len(data):
        length, check = struct.unpack_from("<QI", data, at)
        assert check == masked(data[at:at + 8]), "the checksum of a length is wrong"
        if at + 16 + length > len(data):
            return
        body = data[at + 12:at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body), "the checksum of a record is wrong"
        yield body
        at += 16 + length


def fields(message):
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        wire = key & 7
        if wire == 0:
            value = varint()
        elif wire == 1:
            value = struct.unpack_from("<d", message, at)[0]
            at += 8
        elif wire == 5:
            value = struct.unpack_from("<f", message, at)[0]
            at += 4
        else:
            assert wire == 2, f"wire type {wire}"
            size = varint()
            value = message[at:at + size]
            at += size
        yield key >> 3, value


def scalars(path):
    """(version, steps at which a run began, [(tag, step, value, wall time)])"""
    version, starts, points = None, [], []
    for record in records(path):
        event = dict(fields(record))
        if 3 in event:
            version = event[3].decode()
        if 7 in event and dict(fields(event[7])).get(1) == 1:
            starts.append(event.get(2, 0))
        if 5 in event:
            for number, value in fields(event[5]):
                assert number == 1
                item = dict(fields(value))
                points.append((item[1].decode(), event.get(2, 0), item[2], event[1]))
    return version, starts, points
