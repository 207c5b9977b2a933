//! Parts of at most so many characters.

/// Ends that are looked for, the best first; `sentence` is handled apart.
const PARAGRAPH: &str = "\n\n";
const SENTENCE: [char; 6] = ['.', '!', '?', '。', '！', '？'];

/// Cuts a text into parts of at most `size` characters, each of which begins
/// `overlap` characters before the end of the one before.
pub(crate) struct Parts<'a> {
    rest: &'a str,
    size: usize,
    overlap: usize,
}

impl<'a> Parts<'a> {
    /// `size` is at least 1, `overlap` at most half of it.
    pub(crate) const fn new(text: &'a str, size: usize, overlap: usize) -> Self {
        Self {
            rest: text,
            size,
            overlap,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((most, _)) = self.rest.char_indices().nth(self.size) else {
            return Some(core::mem::take(&mut self.rest));
        };
        let most = &self.rest[..most];
        let part = &most[..end(most, self.size)];
        // What two parts have in common is shorter than either, so this one goes on.
        let back = part
            .char_indices()
            .rev()
            .take(self.overlap)
            .last()
            .map_or(part.len(), |(at, _)| at);
        self.rest = &self.rest[back..];
        Some(part)
    }
}

/// Where a part of `text` ends: behind the last paragraph, sentence, line or word
/// that ends in its second half, else at its end.
fn end(text: &str, characters: usize) -> usize {
    let half = text
        .char_indices()
        .nth(characters.div_ceil(2))
        .map_or(text.len(), |(at, _)| at);
    let behind = |found: Option<usize>| found.filter(|end| *end > half);
    let paragraph = || text.rfind(PARAGRAPH).map(|at| at + PARAGRAPH.len());
    let line = || text.rfind('\n').map(|at| at + 1);
    let word = || {
        text.char_indices()
            .rev()
            .find(|(_, c)| c.is_whitespace())
            .map(|(at, c)| at + c.len_utf8())
    };
    behind(paragraph())
        .or_else(|| behind(sentence(text)))
        .or_else(|| behind(line()))
        .or_else(|| behind(word()))
        .unwrap_or(text.len())
}

/// Behind the last white space that follows the end of a sentence.
fn sentence(text: &str) -> Option<usize> {
    let mut behind = None;
    for (at, c) in text.char_indices().rev() {
        match behind {
            Some(end) if SENTENCE.contains(&c) => return Some(end),
            _ => behind = c.is_whitespace().then(|| at + c.len_utf8()),
        }
    }
    None
}
