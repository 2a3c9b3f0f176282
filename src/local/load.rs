//! Reads manifests from files and folders and sorts their objects by kind. Reads only the files it
//! is given; reports every problem, not only the first.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value as Json;

use super::{
    admission,
    bundles::{self, BundleKind},
    kinds,
    lines::Lines,
    manifests::Manifests,
    metadata::{self, Metadata},
    node::{Node, Value},
    problem::{Fault, Problem, Rule, Severity, shown_key},
    yaml::documents,
};
use crate::{
    api::{GROUP, VERSION},
    cluster::{Kind, ObjectKey},
};

/// The largest file read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Maximum size of all files, in bytes.
const MAX_TOTAL: u64 = 16 * MAX_FILE;
/// The largest object that etcd stores with its default settings, in bytes.
const MAX_OBJECT: usize = 1_572_864;
/// How deep folders are followed: a link may lead back to its parent.
const MAX_FOLDERS: usize = 16;

/// How manifests are read.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The namespace of objects that name none.
    pub namespace: String,
    /// Whether folders within folders are read.
    pub recursive: bool,
    /// Whether the text of each file is kept, so that its lines can be shown.
    pub keeps_texts: bool,
    /// Whether objects of our kinds that are refused are kept as far as they can be read, so that more can be
    /// said of them.
    pub keeps_refused: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            recursive: false,
            keeps_texts: false,
            keeps_refused: false,
        }
    }
}

/// Loads files and folders. Of a folder, every `*.yaml`, `*.yml` and `*.json` file that is not
/// hidden, by name. Fails with every error and warning, in the order of files and lines.
pub fn load(paths: &[PathBuf], options: &LoadOptions) -> Result<Manifests, Vec<Problem>> {
    let mut loader = Loader::new(options.clone());
    for path in paths {
        loader.add_path(path);
    }
    loader.finish()
}

/// Collects manifests from several places.
#[derive(Debug)]
pub struct Loader {
    options: LoadOptions,
    manifests: Manifests,
    problems: Vec<Problem>,
    /// File and line of each object's first declaration.
    places: HashMap<(&'static str, ObjectKey), (Arc<str>, usize)>,
    /// Bytes read so far.
    read: u64,
    /// Objects of our kinds, Secrets and ConfigMaps.
    objects: usize,
    /// Those of them that are refused.
    refused: usize,
    /// Refused objects that are kept, with the fields at fault.
    kept: HashMap<(Kind, ObjectKey), Vec<String>>,
    /// Objects of other kinds.
    skipped: usize,
    /// The text of each file, where it is kept.
    texts: HashMap<Arc<str>, Arc<str>>,
}

/// Everything that was read, whether or not it can be used.
#[derive(Debug)]
pub struct Loaded {
    /// The objects that can be used.
    pub manifests: Manifests,
    /// Every problem, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// How many objects of our kinds, Secrets and ConfigMaps there are.
    pub objects: usize,
    /// How many of them are refused.
    pub refused: usize,
    /// Those refused objects that are among the manifests, with the fields at fault.
    pub kept: HashMap<(Kind, ObjectKey), Vec<String>>,
    /// Kind and name of each object that is declared, also of those that are refused.
    pub declared: HashSet<(&'static str, ObjectKey)>,
    /// How many objects of other kinds there are.
    pub skipped: usize,
    /// The text of each file, if [`LoadOptions::keeps_texts`].
    pub texts: HashMap<Arc<str>, Arc<str>>,
}

impl Loader {
    /// A loader that has read nothing yet.
    pub fn new(options: LoadOptions) -> Self {
        Self {
            options,
            manifests: Manifests::default(),
            problems: Vec::new(),
            places: HashMap::new(),
            read: 0,
            objects: 0,
            refused: 0,
            kept: HashMap::new(),
            skipped: 0,
            texts: HashMap::new(),
        }
    }

    /// Reads a file or folder.
    pub fn add_path(&mut self, path: &Path) {
        if path.is_dir() {
            let before = self.problems.len();
            let mut files = Vec::new();
            self.list(path, 0, &mut files);
            if files.is_empty() && self.problems.len() == before {
                let hint = if self.options.recursive { "" } else { "; folders in it are skipped" };
                let message = format!("no *.yaml, *.yml or *.json file in this folder{hint}");
                self.file_error(path, message);
            }
            for file in files {
                self.add_file(&file);
            }
        } else {
            self.add_file(path);
        }
    }

    fn list(&mut self, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
        let listing = fs::read_dir(folder)
            .and_then(|entries| entries.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>());
        let mut paths = match listing {
            Ok(paths) => paths,
            Err(error) => return self.file_error(folder, format!("cannot be listed: {error}")),
        };
        paths.sort();
        for path in paths {
            let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes()[0] == b'.');
            let extension = path.extension().and_then(|extension| extension.to_str());
            if hidden {
                continue;
            }
            if path.is_dir() {
                if self.options.recursive && depth < MAX_FOLDERS {
                    self.list(&path, depth + 1, files);
                }
            } else if matches!(extension, Some("yaml" | "yml" | "json")) {
                files.push(path);
            }
        }
    }

    fn add_file(&mut self, path: &Path) {
        if self.read > MAX_TOTAL {
            return;
        }
        let name = path.display().to_string();
        match fs::File::open(path) {
            Ok(file) => self.add_reader(&name, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.file_error(path, "does not exist".to_owned());
            }
            Err(error) => self.file_error(path, format!("cannot be read: {error}")),
        }
    }

    /// Reads manifests to the end of a stream; `name` is the file in problems.
    pub fn add_reader(&mut self, name: &str, reader: impl io::Read) {
        let mut bytes = Vec::new();
        // Of a pipe or a device the size is not known.
        let read = reader.take(MAX_FILE + 1).read_to_end(&mut bytes);
        let message = match read {
            Err(error) => format!("cannot be read: {error}"),
            Ok(_) if bytes.len() as u64 > MAX_FILE => {
                format!("cannot be read: larger than {MAX_FILE} bytes")
            }
            Ok(_) => {
                self.read += bytes.len() as u64;
                if self.read <= MAX_TOTAL {
                    return self.add_bytes(name, &bytes);
                }
                format!("with this file, more than {MAX_TOTAL} bytes in all")
            }
        };
        self.file_error(Path::new(name), message);
    }

    /// Reads manifests from memory; `name` is the file in problems.
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.add_text(name, text),
            Err(error) => {
                let read = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let line = read.matches('\n').count() + 1;
                let fault = Fault::new(line, "", "not UTF-8 text").under(Rule::FILE);
                self.report(&Arc::from(name), vec![fault]);
            }
        }
    }

    /// Reads manifests from a text; `name` is the file in problems.
    pub fn add_text(&mut self, name: &str, text: &str) {
        let file = Arc::from(name);
        if self.options.keeps_texts {
            self.texts.insert(Arc::clone(&file), Arc::from(text));
        }
        let (nodes, faults) = documents(text);
        self.report(&file, faults);
        for node in &nodes {
            self.add_document(&file, node);
        }
    }

    /// The manifests, or every problem in the order of files and lines.
    pub fn finish(mut self) -> Result<Manifests, Vec<Problem>> {
        if self.problems.iter().any(|problem| problem.severity == Severity::Error) {
            self.problems.sort();
            self.problems.dedup();
            return Err(self.problems);
        }
        self.manifests.warnings = self.problems;
        Ok(self.manifests)
    }

    /// Everything that was read, whether or not it can be used.
    pub fn loaded(mut self) -> Loaded {
        self.problems.sort();
        self.problems.dedup();
        let Self { manifests, problems, objects, refused, kept, skipped, texts, places, .. } = self;
        let declared = places.into_keys().collect();
        Loaded { manifests, problems, objects, refused, kept, declared, skipped, texts }
    }

    fn add_document(&mut self, file: &Arc<str>, node: &Node) {
        let text = |key: &str| node.get(key).and_then(|entry| entry.node.text());
        let mut faults = Vec::new();
        for key in ["apiVersion", "kind"] {
            if text(key).is_none_or(str::is_empty) {
                let line = node.get(key).map_or(node.line, |entry| entry.line);
                let missing = Fault::new(line, key, "required value is missing");
                faults.push(missing.under(Rule::REQUIRED));
            }
        }
        if !matches!(node.value, Value::Map(_)) {
            let message = format!("a manifest must be an object, not {}", node.type_name());
            faults = vec![Fault::new(node.line, "", message)];
        }
        let (Some(api_version), Some(kind), true) =
            (text("apiVersion"), text("kind"), faults.is_empty())
        else {
            return self.report(file, faults);
        };
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        match (group, kind) {
            ("" | GROUP, _) if kind.ends_with("List") && node.get("items").is_some() => {
                let items = node.get("items").map(|entry| &entry.node.value);
                if let Some(Value::List(items)) = items {
                    for item in items {
                        self.add_document(file, item);
                    }
                }
            }
            (GROUP, _) => self.add_ours(file, node, version, kind),
            ("", "Secret") => self.add_bundle(file, node, BundleKind::Secret),
            ("", "ConfigMap") => self.add_bundle(file, node, BundleKind::ConfigMap),
            // Without a cluster every namespace exists.
            ("", "Namespace") => {}
            _ => {
                if let Some(message) = kinds::misspelt(api_version, kind) {
                    let line = node.get("apiVersion").map_or(node.line, |entry| entry.line);
                    let fault = Fault::new(line, "apiVersion", message).under(Rule::KIND);
                    return self.report(file, vec![fault]);
                }
                let line = node.get("kind").map_or(node.line, |entry| entry.line);
                let message = format!("kind {kind} ({api_version}) is not used here; skipped");
                let fault = Fault::new(line, "kind", message).under(Rule::KIND);
                self.skipped += 1;
                self.problems.push(fault.in_file(file, Severity::Warning));
            }
        }
    }

    fn add_ours(&mut self, file: &Arc<str>, node: &Node, version: &str, kind_name: &str) {
        let line = |key: &str| node.get(key).map_or(node.line, |entry| entry.line);
        let mut faults = Vec::new();
        self.objects += 1;
        if version != VERSION {
            let message = format!("unknown version; use {GROUP}/{VERSION}");
            faults.push(Fault::new(line("apiVersion"), "apiVersion", message).under(Rule::KIND));
        }
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == kind_name) else {
            let unknown = Fault::new(line("kind"), "kind", kinds::unknown_kind(kind_name));
            faults.push(unknown.under(Rule::KIND));
            self.refused += 1;
            return self.report(file, faults);
        };
        for entry in node.entries() {
            match entry.key.as_str() {
                "apiVersion" | "kind" | "metadata" | "spec" => {}
                "status" if entry.node.value == Value::Null => {}
                "status" => {
                    let found = admission::written_status_faults(kind, entry);
                    if found.is_empty() {
                        let message = "status is ignored: remove it";
                        let fault = Fault::new(entry.line, "status", message).under(Rule::STATUS);
                        self.problems.push(fault.in_file(file, Severity::Warning));
                    }
                    faults.extend(found);
                }
                key => {
                    let known = ["metadata", "spec"].into_iter();
                    let path = shown_key(key);
                    let unknown = Fault::new(entry.line, path, super::check::unknown(key, known));
                    faults.push(unknown.under(Rule::UNKNOWN_FIELD));
                }
            }
        }
        let metadata = self.metadata(node, &mut faults);
        let lines = Lines::of(file, node);
        let written = node.get("spec").filter(|entry| entry.node.value != Value::Null);
        let spec = written.map(|spec| {
            let (spec, mut found) = admission::admit(kind, spec);
            for fault in found.iter_mut().filter(|fault| fault.line == 0) {
                fault.line = lines.line(&fault.path);
            }
            faults.append(&mut found);
            spec
        });
        if spec.is_none() {
            let missing = Fault::new(node.line, "spec", "required value is missing");
            faults.push(missing.under(Rule::REQUIRED));
        }
        if let Some(bytes) = too_large(node) {
            let message =
                format!("too large: {bytes} bytes as JSON; a cluster stores at most {MAX_OBJECT}");
            faults.push(Fault::new(node.line, "", message));
        }
        if let Some(metadata) = &metadata {
            faults.extend(self.claim(
                file,
                node,
                kind.as_str(),
                &metadata.namespace,
                &metadata.name,
            ));
        }
        if let (Some(metadata), Some(spec), false) = (&metadata, &spec, faults.is_empty()) {
            self.keep(kind, metadata, spec, &lines, &faults);
        }
        if let (Some(metadata), Some(spec), true) = (metadata, spec, faults.is_empty()) {
            // Types and schema have one source; a difference is a defect, and is reported.
            if let Err(error) = self.manifests.insert(kind, metadata, &spec, lines) {
                let message = format!("cannot be read as {kind}: {error}");
                faults.push(Fault::new(line("spec"), "spec", message));
            }
        }
        self.refused += usize::from(!faults.is_empty());
        self.report(file, faults);
    }

    /// Keeps a refused object, if it can be read without what is not of its type.
    fn keep(
        &mut self,
        kind: Kind,
        metadata: &Metadata,
        spec: &Json,
        lines: &Lines,
        faults: &[Fault],
    ) {
        let is_other = faults.iter().any(|fault| fault.rule == Rule::DECLARED_TWICE);
        if !self.options.keeps_refused || is_other {
            return;
        }
        let mut paths: Vec<String> = faults.iter().map(|fault| fault.path.clone()).collect();
        loop {
            let mut read = spec.clone();
            paths.iter().for_each(|path| drop_member(&mut read, path));
            drop_nulls(&mut read);
            if self.manifests.insert(kind, metadata.clone(), &read, lines.clone()).is_ok() {
                let key = ObjectKey::new(&metadata.namespace, &metadata.name);
                self.kept.insert((kind, key), paths);
                return;
            }
            // What is at fault may be required where it is: then what is around it is left out, too.
            let wider: Vec<String> = paths.iter().map(|path| around(path)).collect();
            if wider == paths {
                return;
            }
            paths = wider;
        }
    }

    fn add_bundle(&mut self, file: &Arc<str>, node: &Node, kind: BundleKind) {
        let mut faults = Vec::new();
        let metadata = self.metadata(node, &mut faults);
        let named = metadata.clone();
        let mut found = Vec::new();
        let bundle = bundles::read(kind, node, metadata.unwrap_or_default(), &mut found);
        faults.extend(found.into_iter().map(|fault| fault.under(Rule::DATA)));
        if let Some(metadata) = named {
            faults.extend(self.claim(
                file,
                node,
                kind.as_str(),
                &metadata.namespace,
                &metadata.name,
            ));
            let key = ObjectKey::new(metadata.namespace, metadata.name);
            match kind {
                BundleKind::Secret => self.manifests.secrets.insert(key, bundle),
                BundleKind::ConfigMap => self.manifests.config_maps.insert(key, bundle),
            };
        }
        self.objects += 1;
        self.refused += usize::from(!faults.is_empty());
        self.report(file, faults);
    }

    fn metadata(&self, node: &Node, faults: &mut Vec<Fault>) -> Option<Metadata> {
        let mut found = Vec::new();
        let metadata = metadata::read(node, &self.options.namespace, &mut found);
        faults.extend(found.into_iter().map(|fault| fault.under(Rule::METADATA)));
        metadata
    }

    /// Records where an object is declared; a fault if it was declared before.
    fn claim(
        &mut self,
        file: &Arc<str>,
        node: &Node,
        kind: &'static str,
        namespace: &str,
        name: &str,
    ) -> Option<Fault> {
        let line = node
            .get("metadata")
            .map_or(node.line, |m| m.node.get("name").map_or(m.line, |entry| entry.line));
        let key = ObjectKey::new(namespace, name);
        if let Some((first, first_line)) = self.places.get(&(kind, key.clone())) {
            let message = format!("{kind} {key} is declared twice; first in {first}:{first_line}");
            let fault = Fault::new(line, "metadata.name", message);
            return Some(fault.under(Rule::DECLARED_TWICE));
        }
        self.places.insert((kind, key), (Arc::clone(file), line));
        None
    }

    fn report(&mut self, file: &Arc<str>, faults: Vec<Fault>) {
        self.problems.extend(faults.into_iter().map(|fault| fault.in_file(file, Severity::Error)));
    }

    fn file_error(&mut self, path: &Path, message: String) {
        let fault = Fault::new(0, "", message).under(Rule::FILE);
        self.problems.push(fault.in_file(&Arc::from(path.display().to_string()), Severity::Error));
    }
}

/// Leaves out the member of a spec at a path such as `spec.fields[3].from`.
fn drop_member(spec: &mut Json, path: &str) {
    let pointer = path.strip_prefix("spec").unwrap_or_default().replace('[', ".").replace(']', "");
    let Some((parent, name)) = pointer.rsplit_once('.') else { return };
    let parent = spec.pointer_mut(&parent.replace('.', "/"));
    if let Some(members) = parent.and_then(Json::as_object_mut) {
        members.remove(name);
    }
}

/// The member around the one at a path: `spec.fields[3].transforms` of `spec.fields[3].transforms[0].name`. A
/// member of the spec has none.
fn around(path: &str) -> String {
    match path.rsplit_once('.') {
        Some(("spec", _)) | None => path.to_owned(),
        // Items stay where they are, as what is said of later ones has their places.
        Some((parent, _)) => parent
            .rsplit_once('[')
            .filter(|_| parent.ends_with(']'))
            .map_or_else(|| parent.to_owned(), |(list, _)| list.to_owned()),
    }
}

/// Leaves out what has no value. Of profiles nothing is left out: they are data.
fn drop_nulls(value: &mut Json) {
    if let Json::Object(members) = value {
        members.retain(|name, member| name == "inline" || !member.is_null());
        let others = members.iter_mut().filter(|(name, _)| *name != "inline");
        others.for_each(|(_, member)| drop_nulls(member));
    } else if let Json::Array(items) = value {
        items.iter_mut().for_each(drop_nulls);
    }
}

/// The size of an object that etcd would not store, in bytes.
fn too_large(node: &Node) -> Option<usize> {
    let bytes = serde_json::to_vec(&node.to_json()).map_or(0, |json| json.len());
    (bytes > MAX_OBJECT).then_some(bytes)
}
