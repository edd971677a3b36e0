//! Text of others on a terminal. What a node says of itself may hold anything, and escape sequences
//! could write over what was shown before.

/// Longest text that is shown, characters.
const TEXT_MAX: usize = 200;

/// A node's text without what a terminal or a reader could be led astray by: control characters,
/// marks that turn the direction of writing, characters without a width.
pub fn shown(text: &str) -> String {
    text.chars().filter(is_shown).take(TEXT_MAX).collect()
}

/// The same of a whole text, which keeps its lines and tabulators.
pub fn printable(text: &str) -> String {
    text.chars().filter(|letter| matches!(letter, '\n' | '\t') || is_shown(letter)).collect()
}

fn is_shown(letter: &char) -> bool {
    !letter.is_control()
        && !matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_a_terminal_or_a_reader_astray_is_taken_out() {
        for (text, left) in [
            ("v0", "v0"),
            ("", ""),
            ("Zürich 東京", "Zürich 東京"),
            ("\x1b[2J\x1b[31mred\n\r\t\0\x07", "[2J[31mred"),
            ("\u{9b}31m", "31m"),
            ("a\u{202e}b\u{200b}c\u{2066}d\u{feff}", "abcd"),
        ] {
            assert_eq!(shown(text), left, "{text:?}");
        }
        assert_eq!(shown(&"x".repeat(9_999)).len(), TEXT_MAX);
    }
}
