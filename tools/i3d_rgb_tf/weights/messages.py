"""Protocol buffers of TensorFlow, read without it: classes made from tables of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Fields", "message_class"]

Fields = Mapping[str, tuple[int, str]]
"""Number and type of each field by its name; the type is one of protobuf's or another message, and
``repeated`` may stand before it."""


def message_class(messages: Mapping[str, Fields], name: str) -> Any:
    r"""Return the class of a message, in a pool of its own, separate from TensorFlow's.

    Parameters
    ----------
    messages
        Fields of each message by its name; fields that are not listed are skipped when it is read.
    name
        The message wanted.

    Examples
    --------
    >>> dimension = message_class({"Dimension": {"size": (1, "int64")}}, "Dimension")
    >>> dimension.FromString(b"\x08\x07").size
    7
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="i3d_rgb_tf/messages.proto", package="i3d_rgb_tf", syntax="proto3"
    )
    for message_name, fields in messages.items():
        message = file.message_type.add(name=message_name)
        for field_name, (number, declaration) in fields.items():
            field = message.field.add(name=field_name, number=number)
            repeated, _, kind = declaration.rpartition(" ")
            field.label = getattr(types, f"LABEL_{(repeated or 'optional').upper()}")
            if kind in messages:
                field.type = types.TYPE_MESSAGE
                field.type_name = f".i3d_rgb_tf.{kind}"
            else:
                field.type = getattr(types, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"i3d_rgb_tf.{name}"))
