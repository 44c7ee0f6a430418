use wire::{ConversationId, InvalidId};

#[test]
fn what_clients_use_is_accepted_as_it_is() {
    let longest = "x".repeat(ConversationId::MAX_BYTES);
    for id in ["c1", "0b6f1f0e-8a3c-4c89-9f57-0b6c1c3f2a11", "a:b%c_d/e.. f", "ünïcode 🦀", longest.as_str()]
    {
        assert_eq!(ConversationId::parse(id), Ok(ConversationId::new(id)), "{id}");
    }
}

#[test]
fn what_cannot_name_anything_is_refused() {
    // Two bytes each: too long in bytes, though not in characters.
    let too_long = "ü".repeat(ConversationId::MAX_BYTES / 2 + 1);
    assert_eq!(ConversationId::parse(""), Err(InvalidId::Empty));
    assert_eq!(ConversationId::parse(&too_long), Err(InvalidId::TooLong));
    for id in ["a\nb", "\0", "tab\t", "\u{7f}", "\u{85}"] {
        assert_eq!(ConversationId::parse(id), Err(InvalidId::ControlCharacter), "{id:?}");
    }
    assert_eq!(InvalidId::TooLong.to_string(), "a conversation id must not be longer than 256 bytes");
}
