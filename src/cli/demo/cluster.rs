//! `demo --cluster`: the same on a real API server, with real kubectl.
pub(super) async fn run(_: &super::Args) -> anyhow::Result<i32> {
    anyhow::bail!("x")
}
