//! `weather.fetch`: the current weather of a city.
//!
//! Asks `https://api.weather.example/v1/current?city=…`, with the credential
//! `weather_api` as a bearer token:
//!
//! ```yaml
//! fetch:
//!   action: weather.fetch
//!   input: { city: Moscow }
//!   credentials: { weather_api: weather-prod }
//! ```

#![no_std]

use nebula_sdk::action::http::{HttpError, Response};
use nebula_sdk::prelude::*;

const CURRENT: &str = "https://api.weather.example/v1/current";

/// What `weather.fetch` takes.
#[data]
#[derive(Debug)]
pub struct WeatherInput {
    /// For example `Moscow`.
    pub city: String,
    /// Of the temperature.
    #[serde(default)]
    pub units: Units,
}

/// Units of the temperature.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// Degrees Celsius.
    #[default]
    Metric,
    /// Degrees Fahrenheit.
    Imperial,
}

/// What `weather.fetch` gives.
#[data]
#[derive(Debug)]
pub struct WeatherData {
    /// As the service writes it.
    pub city: String,
    /// In which it lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// In the units asked for.
    pub temp: f64,
    /// For example `warm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Relative, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub humidity: Option<f64>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<String>,
    /// What the figures describe, where the service says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

/// Fetches the current weather of a city.
#[derive(Action)]
#[action(
    id = "weather.fetch",
    name = "Fetch weather",
    credentials("weather_api"),
    hosts("api.weather.example")
)]
pub struct WeatherAction;

impl SimpleAction for WeatherAction {
    type Input = WeatherInput;
    type Output = WeatherData;

    async fn execute_simple(
        &self,
        input: Self::Input,
        ctx: &ActionContext,
    ) -> Result<Self::Output> {
        if input.city.trim().is_empty() {
            return Err(ActionError::invalid_input("city: a name is needed"));
        }
        let api_key = ctx.get_credential("weather_api").await?;
        let mut request = ctx
            .http()
            .get(CURRENT)
            .query("city", &input.city)
            .bearer(api_key);
        if input.units == Units::Imperial {
            request = request.query("units", "imperial");
        }
        read(request.send().await?, &input.city)
    }
}

nebula_sdk::export!(WeatherAction);

fn read(response: Response, city: &str) -> Result<WeatherData> {
    match response.status() {
        401 | 403 => Err(ActionError::permanent(
            "the weather service refused the credential `weather_api`; check the key it is bound to",
        )),
        404 => Err(ActionError::invalid_input(format!(
            "city: the weather service knows no `{city}`"
        ))),
        _ => Ok(response.error_for_status()?.json().map_err(unexpected)?),
    }
}

fn unexpected(error: HttpError) -> ActionError {
    ActionError::permanent(format!(
        "the weather service answered something else than weather: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const MOSCOW: &str = "https://api.weather.example/v1/current?city=Moscow";

    fn answer(response: Response) -> (ActionContext, Result<ProcessResult<Value>>) {
        let ctx = ActionContext::for_test()
            .with_credential("weather_api", "k-1")
            .with_response("GET", MOSCOW, response);
        let result = ctx.run::<WeatherAction>(&json!({ "city": "Moscow" }));
        (ctx, result)
    }

    #[test]
    fn the_weather_of_a_city_is_fetched_with_the_credential() {
        let body = r#"{"city": "Moscow", "temp": 31, "condition": "hot", "unknown": [1]}"#;
        let (ctx, result) = answer(Response::new(200).with_body(body));
        let expected = json!({ "city": "Moscow", "temp": 31.0, "condition": "hot" });
        assert_eq!(result, Ok(ProcessResult::Success(expected)));
        let sent = ctx.requests();
        assert_eq!(
            sent[0].headers,
            [("authorization".to_owned(), "Bearer k-1".to_owned())]
        );
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        assert!(matches!(
            answer(Response::new(401)).1,
            Err(ActionError::Permanent(_))
        ));
        assert!(matches!(
            answer(Response::new(404)).1,
            Err(ActionError::InvalidInput(_))
        ));
        assert!(matches!(
            answer(Response::new(200).with_body("<html>")).1,
            Err(ActionError::Permanent(_))
        ));
    }

    #[test]
    fn what_may_pass_is_tried_again_when_the_service_asks_for_it() {
        let (_, result) = answer(Response::new(503).with_header("Retry-After", "7"));
        let Err(ActionError::Retryable { delay, .. }) = result else {
            panic!("retryable expected")
        };
        assert_eq!(delay, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_missing_credential_or_city_is_named() {
        let ctx = ActionContext::for_test();
        let error = ctx
            .run::<WeatherAction>(&json!({ "city": "Moscow" }))
            .expect_err("no credential");
        assert!(error.to_string().contains("`weather_api`"), "{error}");
        let error = ctx.run::<WeatherAction>(&json!({})).expect_err("no city");
        assert_eq!(error, ActionError::invalid_input("missing field `city`"));
    }
}
