//! Splits an expression into tokens. Pure; never panics.

use super::fault::SyntaxError;

/// One token and the byte at which it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Byte offset in the expression.
    pub at: usize,
    /// What it is.
    pub kind: TokenKind,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenKind {
    /// A name or a word operator.
    Word(String),
    /// An integer, without its sign.
    Int(u64),
    /// A number with a fraction or an exponent.
    Double(f64),
    /// A string literal with its escapes resolved.
    Text(String),
    /// Punctuation or an operator.
    Symbol(&'static str),
    /// The end of the expression.
    End,
}

/// Longest first: `<=` must be tried before `<`.
const SYMBOLS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", ".?", "<", ">", "!", "?", ":", "+", "-", "*", "/", "%",
    "(", ")", "[", "]", "{", "}", ",", ".",
];

/// Splits an expression into tokens; the last one is [`TokenKind::End`].
pub fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let kind = lexer.next()?;
        let end = kind == TokenKind::End;
        tokens.push(Token { at, kind });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{c}'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn next(&mut self) -> Result<TokenKind, SyntaxError> {
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        if first == '"' || first == '\'' {
            return self.text_literal(false);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let start = self.at;
            let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            if !matches!(self.peek(), Some('"' | '\'')) {
                return Ok(TokenKind::Word(word.to_owned()));
            }
            return match word {
                "r" | "R" => self.text_literal(true),
                _ => Err(SyntaxError::new(start, "the only string prefix is r")),
            };
        }
        let second = self.rest().chars().nth(1);
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        for symbol in SYMBOLS {
            if self.rest().starts_with(symbol) {
                self.at += symbol.len();
                return Ok(TokenKind::Symbol(symbol));
            }
        }
        Err(SyntaxError::new(self.at, "unexpected character"))
    }

    fn number(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            let digits = self.take_while(|c| c.is_ascii_hexdigit());
            let value = u64::from_str_radix(digits, 16)
                .map_err(|_| SyntaxError::new(start, "not a 64-bit hexadecimal number"))?;
            self.refuse_unsigned()?;
            return Ok(TokenKind::Int(value));
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut fraction = false;
        let mut ahead = self.rest().chars();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            fraction = true;
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            fraction = true;
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            self.take_while(|c| c.is_ascii_digit());
        }
        let digits = &self.text[start..self.at];
        self.refuse_unsigned()?;
        if !fraction {
            let too_large = |_| SyntaxError::new(start, "the integer does not fit in 64 bits");
            return digits.parse().map(TokenKind::Int).map_err(too_large);
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(TokenKind::Double(value)),
            _ => Err(SyntaxError::new(start, "invalid number")),
        }
    }

    fn refuse_unsigned(&self) -> Result<(), SyntaxError> {
        if self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(SyntaxError::new(self.at, "a letter directly after a number"));
        }
        Ok(())
    }

    fn text_literal(&mut self, raw: bool) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        let quote = if self.rest().starts_with('"') { '"' } else { '\'' };
        let triple: String = [quote; 3].iter().collect();
        let long = self.rest().starts_with(&triple);
        let close = if long { &triple[..] } else { &triple[..1] };
        self.at += close.len();
        let mut value = String::new();
        loop {
            if self.rest().starts_with(close) {
                self.at += close.len();
                return Ok(TokenKind::Text(value));
            }
            match self.peek() {
                None => return Err(SyntaxError::new(start, "unterminated string")),
                Some('\n' | '\r') if !long => {
                    return Err(SyntaxError::new(
                        start,
                        "unterminated string; only triple quotes may span lines",
                    ));
                }
                Some('\\') if !raw => value.push(self.escape()?),
                Some(c) => {
                    self.at += c.len_utf8();
                    value.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let start = self.at;
        let fault = || SyntaxError::new(start, "unknown escape sequence");
        self.at += 1;
        let letter = self.peek().ok_or_else(fault)?;
        self.at += letter.len_utf8();
        let plain = match letter {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '`' | '?' => letter,
            'x' | 'X' => return self.code_point(2, 16).ok_or_else(fault),
            'u' => return self.code_point(4, 16).ok_or_else(fault),
            'U' => return self.code_point(8, 16).ok_or_else(fault),
            '0'..='3' => {
                self.at -= 1;
                return self.code_point(3, 8).ok_or_else(fault);
            }
            _ => return Err(fault()),
        };
        Ok(plain)
    }

    fn code_point(&mut self, digits: usize, radix: u32) -> Option<char> {
        let text = self.rest().get(..digits)?;
        if !text.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        self.at += digits;
        char::from_u32(u32::from_str_radix(text, radix).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn strings_resolve_their_escapes_and_raw_strings_keep_them() {
        let text = |s: &str| TokenKind::Text(s.to_owned());
        assert_eq!(kinds(r"'a\n\u00e9\x41\101'")[0], text("a\né\u{41}A"));
        assert_eq!(kinds(r"r'\d+'")[0], text(r"\d+"));
        assert_eq!(kinds("'''it's\n'''")[0], text("it's\n"));
    }

    #[test]
    fn numbers_and_members_are_distinguished() {
        assert_eq!(
            kinds("1.5 0x1F 2")[..3],
            [TokenKind::Double(1.5), TokenKind::Int(31), TokenKind::Int(2)]
        );
        assert_eq!(kinds("a[0].b").len(), 7);
        assert_eq!(kinds("x ? .5 : 1e3")[2], TokenKind::Double(0.5));
    }

    #[test]
    fn malformed_expressions_are_refused_at_their_place() {
        for (text, at) in [("a + 'x", 4), ("1 # 2", 2), ("5u", 1), (r"'\q'", 1), ("b'x'", 0)] {
            assert_eq!(tokens(text).unwrap_err().at, at, "{text}");
        }
    }
}
