//! Templates that an operator writes: text with names between `{{` and `}}`. Which names there are, and how a value is
//! escaped, is the engine's to say.

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text as it is.
    Text(&'a str),
    /// The name between `{{` and `}}`, without the spaces around it.
    Name(&'a str),
    /// A `{{` that nothing closes, with all that follows.
    Open(&'a str),
}

/// The pieces of a template, in order.
pub fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    Pieces(template)
}

/// What is left of a template.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.0;
        let (piece, left) = match rest.find("{{") {
            _ if rest.is_empty() => return None,
            None => (Piece::Text(rest), ""),
            Some(0) => match rest[2..].split_once("}}") {
                Some((name, left)) => (Piece::Name(name.trim()), left),
                None => (Piece::Open(rest), ""),
            },
            Some(start) => (Piece::Text(&rest[..start]), &rest[start..]),
        };
        self.0 = left;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_text_and_names() {
        let of = |template| pieces(template).collect::<Vec<_>>();
        assert_eq!(of("a {{ b }}}}c"), [Piece::Text("a "), Piece::Name("b"), Piece::Text("}}c")]);
        assert_eq!(of("{{a}}{{}}"), [Piece::Name("a"), Piece::Name("")]);
        assert_eq!(of("a{{b"), [Piece::Text("a"), Piece::Open("{{b")]);
        assert_eq!(of(""), []);
    }
}
