//! Jobs and their stages: assumed, read-only. Pure.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::{
    call::{Call, not_found, one},
    respond::Answer,
    state::{Account, Job, lock},
};

impl Call<'_> {
    pub(super) fn list_jobs(&self, account: &Mutex<Account>) -> Answer {
        let wire = self.contract.job_name("reference");
        let filter = format!("filter[{}]", self.contract.filter("reference", wire));
        let requested = self.query.get(&filter).filter(|_| !self.contract.ignore_filter);
        let jobs = lock(account).jobs.clone();
        let found = jobs.iter().filter(|job| requested.is_none_or(|r| job.reference == r));
        let found: Vec<Value> = found.map(|job| self.show_job(job)).collect();
        self.page(found.into_iter())
    }

    pub(super) fn get_job(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        let account = lock(account);
        Ok(one(200, &self.show_job(account.job(self.id()).ok_or_else(not_found)?)))
    }

    pub(super) fn list_stages(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        let job = lock(account).job(self.id()).cloned().ok_or_else(not_found)?;
        let name = |name| self.contract.stage_name(name).to_owned();
        let stages = job.stages.iter().enumerate().map(|(place, stage)| {
            json!({"id": job.stage_id(place), "type": "stage", "attributes": {
                name("name"): stage, name("position"): place + 1}})
        });
        Ok(self.page(stages))
    }

    fn show_job(&self, job: &Job) -> Value {
        let name = |name| self.contract.job_name(name).to_owned();
        json!({"id": job.id, "type": "job", "attributes": {
            name("title"): job.title, name("reference"): job.reference, name("status"): job.status}})
    }
}
