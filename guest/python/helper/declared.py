"""The secret classes of an engine as the export of a component. Only a component can load this file."""

from wit_world.exports import declaration as wit

from . import declaration as ours
from .backend import Backend


def export_declaration(engine: Backend) -> type:
    """The export `Declaration` of a component."""

    class Declaration:
        def declare(self) -> list[wit.Class]:
            return [_class(secret_class) for secret_class in engine.secret_classes]

    return Declaration


def _class(secret_class: ours.SecretClass) -> wit.Class:
    shape = secret_class.shape
    return wit.Class(
        name=secret_class.name,
        shape=wit.Shape(
            public=shape.public,
            alphabet=wit.Alphabet[shape.alphabet.name],
            plain_endings=list(shape.plain_endings),
            secret_characters_min=shape.secret_characters_min,
        ),
        request_fields=[
            wit.RequestField(list(known.paths), list(known.at), _destination(known.destination), list(known.owner))
            for known in secret_class.request_fields
        ],
        stored_fields=[
            wit.StoredField(known.prefix, list(known.at), _destination(known.destination), _owner(known.owner))
            for known in secret_class.stored_fields
        ],
        unreadable_fields=[wit.UnreadableField(known.prefix, list(known.at)) for known in secret_class.unreadable_fields],
        answered_fields=[wit.AnsweredField(_call(known.call), list(known.at)) for known in secret_class.answered_fields],
        bearer_of=[_call(call) for call in secret_class.bearer_of],
        shown_fields=[
            wit.ShownField(list(known.paths), list(known.at), list(known.owner)) for known in secret_class.shown_fields
        ],
        becomes=list(secret_class.becomes),
    )


def _call(call: ours.ApiCall) -> wit.Call:
    return wit.Call(call.method, call.path)


def _destination(destination: ours.Destination) -> wit.Destination:
    match destination:
        case ours.Sibling(key, otherwise):
            return wit.Destination_Sibling(wit.Sibling(key, otherwise))
        case ours.SiblingOrigin(key, stored):
            return wit.Destination_SiblingOrigin(wit.SiblingOrigin(key, _stored_url(stored)))
        case ours.Requested(field, stored, otherwise):
            return wit.Destination_Requested(wit.Requested(field, _stored_url(stored), otherwise))
        case None:
            return wit.Destination_None_()


def _stored_url(url: ours.StoredUrl | None) -> wit.StoredUrl | None:
    return None if url is None else wit.StoredUrl(url.prefix, list(url.named_by), url.second_name, url.key)


def _owner(owner: ours.OwnerInKey | ours.OwnerBeside | None) -> wit.StoredOwner | None:
    match owner:
        case ours.OwnerInKey():
            return wit.StoredOwner_Key()
        case ours.OwnerBeside(key):
            return wit.StoredOwner_Sibling(key)
        case None:
            return None
