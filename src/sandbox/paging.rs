//! Query parameters: the page, in three spellings, and filters. Pure.

use super::contract::Paging;

/// A decoded query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Page number, from 1, and page size.
    pub(super) fn page(&self, paging: &Paging) -> (usize, usize) {
        let number = |name: &str| self.get(name).and_then(|value| value.parse::<usize>().ok());
        let find = |own: Option<&String>, spellings: [&str; 3]| match own {
            Some(name) => number(name),
            None => spellings.iter().find_map(|name| number(name)),
        };
        let page = find(paging.page.as_ref(), ["page", "page[number]", "page[page]"]);
        let size = find(paging.per_page.as_ref(), ["per_page", "page[size]", "page[per_page]"]);
        let size = size.unwrap_or(paging.default).clamp(1, paging.max);
        (page.unwrap_or(1).max(1), size)
    }

    /// The same query with another page, as a path.
    pub(super) fn link(&self, path: &str, paging: &Paging, page: usize, size: usize) -> String {
        let (page_name, size_name) = self.spelling(paging);
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in
            self.0.iter().filter(|(name, _)| *name != page_name && *name != size_name)
        {
            out.append_pair(name, value);
        }
        out.append_pair(&page_name, &page.to_string()).append_pair(&size_name, &size.to_string());
        format!("{path}?{}", out.finish())
    }

    fn spelling(&self, paging: &Paging) -> (String, String) {
        let pairs = [("page[number]", "page[size]"), ("page[page]", "page[per_page]")];
        let used = pairs.iter().find(|(page, size)| self.get(page).or(self.get(size)).is_some());
        let (page, size) = used.copied().unwrap_or(("page", "per_page"));
        let named = |own: &Option<String>, used: &str| own.as_deref().unwrap_or(used).to_owned();
        (named(&paging.page, page), named(&paging.per_page, size))
    }
}
