//! Profiles as PDF documents, to attach or to write to a file, and what a document would show, without
//! making it. Rendering takes milliseconds of a processor: it is done on blocking threads, two documents
//! to attach and one about many people at a time in a process.

#[cfg(feature = "pdf")]
pub use with_pdf::Renderer;
#[cfg(not(feature = "pdf"))]
pub use without_pdf::Renderer;

use super::{
    resume::{ResumeError, ResumeFile},
    weight::weight,
};
use crate::{domain::Profile, storage::NamedFile};

/// What is attached as a resume.
#[derive(Debug)]
pub(super) enum Resume {
    /// A file of the profile.
    File(ResumeFile),
    /// The profile itself, rendered when it is attached.
    Profile(Box<Unrendered>),
    /// A file that the profile names by URL, read when it is attached.
    Named(Box<Named>),
}

/// A file that is read when it is attached.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) file: NamedFile,
    /// What is attached if it cannot be.
    pub(super) otherwise: Option<Unrendered>,
}

impl Resume {
    /// Roughly how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::File(file) => file.bytes.len(),
            Self::Profile(document) => document.weight(),
            // It is read when there is room for it.
            Self::Named(named) => named.otherwise.as_ref().map_or(0, Unrendered::weight),
        }
    }
}

/// What a document of a person depends on, and what it lacks.
#[derive(Debug)]
pub(super) struct Preview {
    /// Everything that decides its content: facts and version of the design.
    pub(super) inputs: String,
    /// Scripts of which a character has no shape in any font.
    pub(super) lacking: Vec<&'static str>,
}

/// A document that is made when it is attached.
pub(super) struct Unrendered {
    /// File name, made of the digest of the inputs: no candidate value.
    pub(super) name: String,
    pub(super) profile: Profile,
}

impl Unrendered {
    fn weight(&self) -> usize {
        weight(self.profile.members())
    }
}

impl std::fmt::Debug for Unrendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unrendered({})", self.name)
    }
}

#[cfg(feature = "pdf")]
mod with_pdf {
    use std::sync::{Arc, LazyLock};

    use tokio::sync::{OwnedSemaphorePermit, Semaphore};

    use super::{Preview, Profile, ResumeError, ResumeFile, Unrendered};
    use crate::{
        domain::digest_parts,
        pipeline::resume::MAX_RESUME_BYTES,
        render::{self, Fonts, PageSetup, RENDER_VERSION},
    };

    /// How many documents are rendered at a time.
    const AT_A_TIME: usize = 2;

    /// Renders the profiles of a process.
    #[derive(Debug, Clone)]
    pub struct Renderer {
        fonts: Arc<Fonts>,
        /// What `fonts` was made of.
        named: Arc<str>,
        turns: Arc<Semaphore>,
        /// For documents about many people.
        alone: Arc<Semaphore>,
    }

    impl Renderer {
        /// With the built-in fonts and those of these files, each with its name. Also returns what is
        /// wrong with them.
        pub fn with(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> (Self, Vec<String>) {
            let files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
            let named = named(&files);
            let fonts = Fonts::with(files);
            let unusable = fonts
                .unusable()
                .iter()
                .map(|name| format!("{name} is not used: it is no font with outlines, or its licence restricts embedding"));
            let thin = fonts.without_bold();
            let thin = (!thin.is_empty())
                .then(|| format!("no bold face for headings of: {}", thin.join(", ")));
            let faults = unusable.chain(thin).collect();
            (Self::of(fonts, &named), faults)
        }

        fn of(fonts: Fonts, named: &str) -> Self {
            Self {
                fonts: Arc::new(fonts),
                named: named.into(),
                turns: Arc::new(Semaphore::new(AT_A_TIME)),
                alone: Arc::new(Semaphore::new(1)),
            }
        }

        /// Changes when the same profile may look different: with the version of the design, and with
        /// the fonts.
        pub fn version(&self) -> String {
            format!("{RENDER_VERSION} {}", self.named)
        }

        /// Waits until no other document about many people is made in this process. Such a document is
        /// in memory as a whole: keep the permit as long as it is.
        pub(in crate::pipeline) async fn alone(&self) -> Option<OwnedSemaphorePermit> {
            // It is never closed.
            Arc::clone(&self.alone).acquire_owned().await.ok()
        }

        pub(in crate::pipeline) fn fonts(&self) -> &Fonts {
            &self.fonts
        }

        /// How many font families there are.
        pub fn families(&self) -> usize {
            self.fonts.families()
        }

        pub(in crate::pipeline) fn preview(&self, profile: &Profile) -> Preview {
            let render::Preview { facts, missing } = render::preview(profile, &self.fonts);
            Preview { inputs: format!("{RENDER_VERSION} {facts}"), lacking: missing }
        }

        /// The document of a person, to be made later. The same inputs give the same name.
        pub(in crate::pipeline) fn later(profile: &Profile, preview: &Preview) -> Unrendered {
            let digest = digest_parts([preview.inputs.as_bytes()]);
            let name = format!("profile-{}.pdf", hex::encode(&digest.as_bytes()[..4]));
            Unrendered { name, profile: render::shown(profile) }
        }

        pub(in crate::pipeline) async fn file(
            &self,
            document: &Unrendered,
        ) -> Result<ResumeFile, ResumeError> {
            let turn = self.turns.acquire().await;
            let (fonts, profile) = (Arc::clone(&self.fonts), document.profile.clone());
            let rendered = tokio::task::spawn_blocking(move || {
                render::render(&[profile], &fonts, &PageSetup::default())
            });
            // A panic of a library costs this document, not the run.
            let rendered = rendered.await.map_err(|_| ResumeError::NotRendered)?;
            drop(turn);
            let bytes = rendered.map_err(|_| ResumeError::NotRendered)?.bytes;
            if bytes.len() > MAX_RESUME_BYTES {
                return Err(ResumeError::DocumentTooLarge);
            }
            let name = document.name.clone();
            Ok(ResumeFile { name, content_type: "application/pdf", bytes: bytes.into() })
        }
    }

    impl Default for Renderer {
        /// With the built-in fonts.
        fn default() -> Self {
            static BUILT_IN: LazyLock<Renderer> =
                LazyLock::new(|| Renderer::of(Fonts::built_in(), ""));
            BUILT_IN.clone()
        }
    }

    /// Digest of the names and sizes of font files; their order does not matter.
    fn named(files: &[(String, Vec<u8>)]) -> String {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut named: Vec<String> =
            files.iter().map(|(path, bytes)| format!("{} {}", name(path), bytes.len())).collect();
        named.sort_unstable();
        digest_parts(named.iter().map(String::as_bytes)).short()
    }
}

#[cfg(not(feature = "pdf"))]
mod without_pdf {
    use super::{Preview, Profile, ResumeError, ResumeFile, Unrendered};

    /// Renders nothing: a mapping that asks for documents is refused before a run starts.
    #[derive(Debug, Clone, Default)]
    pub struct Renderer(());

    #[allow(clippy::unused_self, clippy::unused_async, reason = "as with the feature `pdf`")]
    impl Renderer {
        /// Never used for anything.
        pub fn version(&self) -> String {
            String::new()
        }

        pub(in crate::pipeline) async fn alone(&self) -> Option<()> {
            None
        }

        pub(in crate::pipeline) fn preview(&self, _: &Profile) -> Preview {
            Preview { inputs: String::new(), lacking: Vec::new() }
        }

        pub(in crate::pipeline) fn later(_: &Profile, _: &Preview) -> Unrendered {
            Unrendered { name: String::new(), profile: Profile::default() }
        }

        pub(in crate::pipeline) async fn file(
            &self,
            _: &Unrendered,
        ) -> Result<ResumeFile, ResumeError> {
            Err(ResumeError::NotRendered)
        }
    }
}
