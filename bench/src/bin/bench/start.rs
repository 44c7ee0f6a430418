//! How soon a server answers, and what it occupies then.

use std::time::Duration;

use anyhow::Result;
use bench::server::Launch;

use crate::figure::{Figure, Samples, Target};
use crate::memory::converse;
use crate::world::{self, World};

const RUNS: usize = 30;
const CONVERSATIONS: u32 = 500;

pub(crate) async fn measure(world: &World) -> Result<Vec<Figure>> {
    let fresh: Vec<Launch> = (0..RUNS).map(|run| world.fresh(&format!("start-{run}"))).collect();
    let (fresh, resident) = starts(&fresh).await?;
    world.provider.pace(5, Duration::ZERO);
    let used = world.fresh("start-used");
    let server = used.start().await?;
    converse(&world::client(&server)?, "used", CONVERSATIONS).await?;
    server.kill().await?;
    let (again, _) = starts(&vec![used; RUNS]).await?;
    let again_what = format!("start to first answer, {CONVERSATIONS} conversations, killed before");
    Ok(vec![
        Figure::new("start to first answer, no data yet", "ms", &fresh).target(Target::Median(50.0)),
        Figure::new(again_what, "ms", &again).target(Target::Median(50.0)),
        Figure::new("resident after the start", "MB", &resident).target(Target::Median(20.0)),
    ])
}

async fn starts(launches: &[Launch]) -> Result<(Samples, Samples)> {
    let (mut took, mut resident) = (Vec::new(), Vec::new());
    for launch in launches {
        let server = launch.start().await?;
        took.push(server.start.took);
        resident.push(server.resident_bytes()? as f64 / 1e6);
        server.kill().await?;
    }
    Ok((Samples::times(took), Samples::new(resident)))
}
