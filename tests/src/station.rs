//! A small weather station for the demo and the tests: serves real climate
//! figures (`demo/climate.csv`), demands an API key for the weather, receives
//! webhooks, and says what it received.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

const MONTHS: usize = 12;
const JULY: usize = 6;

/// A city and its mean temperature of each month, °C.
struct City {
    name: String,
    country: String,
    months: [f64; MONTHS],
}

struct Station {
    key: String,
    cities: Vec<City>,
    received: Mutex<Received>,
}

/// What others sent here.
#[derive(Default, Clone)]
struct Received {
    hooks: Vec<Value>,
    summary: Option<Value>,
    slow: u64,
}

#[derive(Deserialize)]
struct CityQuery {
    city: String,
}

/// Serves until the task is dropped. Callers of the weather must send the key.
///
/// # Errors
/// When the listener fails, or the climate figures cannot be read.
pub async fn serve(
    listener: tokio::net::TcpListener,
    key: String,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let station = Arc::new(Station {
        key,
        cities: cities()?,
        received: Mutex::default(),
    });
    let routes = Router::new()
        .route("/v1/current", get(current))
        .route("/v1/days.csv", get(days))
        .route("/v1/slow", get(slow))
        .route("/hook", post(hook))
        .route("/summary", axum::routing::put(summary))
        .route("/received", get(received))
        .with_state(station);
    axum::serve(listener, routes).await?;
    Ok(())
}

fn cities() -> Result<Vec<City>, Box<dyn std::error::Error + Send + Sync>> {
    let mut cities = Vec::new();
    for line in include_str!("../../demo/climate.csv").lines().skip(1) {
        let mut fields = line.split(',');
        let (Some(name), Some(country)) = (fields.next(), fields.next()) else {
            continue;
        };
        let mut months = [0.0; MONTHS];
        for month in &mut months {
            *month = fields
                .next()
                .ok_or("climate.csv: a month is missing")?
                .parse()?;
        }
        cities.push(City {
            name: name.into(),
            country: country.into(),
            months,
        });
    }
    Ok(cities)
}

impl Station {
    fn city(&self, name: &str) -> Option<&City> {
        self.cities
            .iter()
            .find(|c| c.name.eq_ignore_ascii_case(name))
    }

    fn received(&self) -> std::sync::MutexGuard<'_, Received> {
        self.received
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn current(
    State(station): State<Arc<Station>>,
    headers: HeaderMap,
    Query(query): Query<CityQuery>,
) -> (StatusCode, Json<Value>) {
    let bearer = headers
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if bearer.strip_prefix("Bearer ") != Some(&station.key) {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({"error": "a valid API key is needed"})),
        );
    }
    match station.city(&query.city) {
        Some(city) => (StatusCode::OK, Json(report(city))),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({"error": format!("no city {:?} here", query.city)})),
        ),
    }
}

fn report(city: &City) -> Value {
    let temp = city.months[JULY];
    let condition = match temp {
        t if t > 30.0 => "hot",
        t if t > 20.0 => "warm",
        t if t > 10.0 => "mild",
        _ => "cold",
    };
    json!({ "city": city.name, "country": city.country, "temp": temp, "condition": condition, "period": "July, 1991-2020" })
}

/// One row per city and day of a year, interpolated between mid-months.
async fn days(State(station): State<Arc<Station>>) -> ([(&'static str, &'static str); 1], String) {
    let mut csv = String::from("city,day,temp\n");
    for city in &station.cities {
        for day in 0..365u32 {
            let position = f64::from(day) / 365.0 * 12.0 - 0.5;
            let before = position.floor();
            let part = position - before;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 12"
            )]
            let month = (before + 12.0) as usize % MONTHS;
            let temp = city.months[month] * (1.0 - part) + city.months[(month + 1) % MONTHS] * part;
            csv += &format!("{},{},{temp:.1}\n", city.name, day + 1);
        }
    }
    ([("content-type", "text/csv")], csv)
}

/// Answers after half a second.
async fn slow(
    State(station): State<Arc<Station>>,
    Query(query): Query<CityQuery>,
) -> (StatusCode, Json<Value>) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    station.received().slow += 1;
    match station.city(&query.city) {
        Some(city) => (StatusCode::OK, Json(report(city))),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({"error": format!("no city {:?} here", query.city)})),
        ),
    }
}

async fn hook(
    State(station): State<Arc<Station>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> StatusCode {
    let key = headers.get("idempotency-key").and_then(|v| v.to_str().ok());
    station
        .received()
        .hooks
        .push(json!({ "body": body, "idempotency_key": key }));
    StatusCode::OK
}

async fn summary(State(station): State<Arc<Station>>, Json(body): Json<Value>) -> StatusCode {
    station.received().summary = Some(body);
    StatusCode::NO_CONTENT
}

async fn received(State(station): State<Arc<Station>>) -> Json<Value> {
    let Received {
        hooks,
        summary,
        slow,
    } = station.received().clone();
    Json(json!({ "hooks": hooks, "summary": summary, "slow": slow }))
}
