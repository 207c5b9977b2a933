//! Requests through `wasi:http/outgoing-handler`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use super::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use super::executor::ready;
use crate::http::{HttpError, Request, Response, url};

/// How much is asked of a stream at once, bytes.
const CHUNK: u64 = 64 * 1024;

/// Sends a request and reads the whole response.
pub(super) async fn send(request: Request) -> Result<Response, HttpError> {
    let (mut outgoing, written) = begin(&request).await?;
    // A server may answer before it has read everything: the answer counts.
    let written = written.and(outgoing.end());
    let response = match outgoing.answer().await {
        Ok(incoming) => read(incoming, request.max_body).await,
        Err(error) => Err(error),
    };
    if response.is_err() {
        written.and(response)
    } else {
        response
    }
}

/// Sends a request; its response without its body, and that.
pub(super) async fn open(request: Request) -> Result<(Response, Incoming), HttpError> {
    let (mut outgoing, written) = begin(&request).await?;
    let written = written.and(outgoing.end());
    match outgoing.answer().await {
        Ok(incoming) => taken(incoming),
        Err(error) => written.and(Err(error)),
    }
}

/// Begins to send a request.
pub(super) fn upload(request: &Request) -> Result<Outgoing, HttpError> {
    let (outgoing, options) = prepare(request)?;
    let body = outgoing.body().map_err(|()| invalid("it has no body"))?;
    let host = outgoing.authority().unwrap_or_default();
    let pending = outgoing_handler::handle(outgoing, Some(options));
    Ok(Outgoing {
        stream: None,
        body: Some(body),
        pending: pending.map_err(|code| refused(code, &host))?,
        host,
    })
}

/// The end of a request, and its whole response.
pub(super) async fn finish(mut outgoing: Outgoing, max: usize) -> Result<Response, HttpError> {
    let written = outgoing.end();
    match outgoing.answer().await {
        Ok(incoming) => read(incoming, max).await,
        Err(error) => written.and(Err(error)),
    }
}

async fn begin(request: &Request) -> Result<(Outgoing, Result<(), HttpError>), HttpError> {
    let mut outgoing = upload(request)?;
    let written = if request.body.is_empty() {
        Ok(())
    } else {
        outgoing.write(&request.body).await
    };
    Ok((outgoing, written))
}

/// A request that is being sent.
#[derive(Debug)]
pub struct Outgoing {
    // Before the body that it belongs to: fields are dropped in this order.
    stream: Option<OutputStream>,
    body: Option<OutgoingBody>,
    pending: FutureIncomingResponse,
    /// Where it goes, for a refusal.
    host: String,
}

impl Outgoing {
    pub(crate) async fn write(&mut self, part: &[u8]) -> Result<(), HttpError> {
        if self.stream.is_none() {
            let body = self.body.as_ref().ok_or_else(|| invalid("it is over"))?;
            let stream = body.write();
            self.stream = Some(stream.map_err(|()| invalid("its body cannot be written"))?);
        }
        let written = match &self.stream {
            Some(stream) => write_all(stream, part).await,
            None => Ok(()),
        };
        if written.is_err() {
            // What was not taken whole never ends well: it is cut off, not finished.
            self.stream = None;
            self.body = None;
        }
        written
    }

    /// The end of its body.
    fn end(&mut self) -> Result<(), HttpError> {
        self.stream = None;
        match self.body.take() {
            Some(body) => OutgoingBody::finish(body, None).map_err(code_error),
            None => Ok(()),
        }
    }

    async fn answer(&self) -> Result<IncomingResponse, HttpError> {
        loop {
            match self.pending.get() {
                Some(Ok(Ok(response))) => return Ok(response),
                Some(Ok(Err(code))) => return Err(refused(code, &self.host)),
                Some(Err(())) => {
                    return Err(HttpError::Connection("the response is gone".into()));
                }
                None => ready(self.pending.subscribe()).await,
            }
        }
    }
}

/// The body of a response, as it comes.
#[derive(Debug)]
pub struct Incoming {
    // Before the body that it belongs to.
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
}

impl Incoming {
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        loop {
            match self.stream.read(CHUNK) {
                Ok(chunk) if chunk.is_empty() => ready(self.stream.subscribe()).await,
                Ok(chunk) => return Ok(Some(chunk)),
                Err(StreamError::Closed) => return Ok(None),
                Err(error) => return Err(stream_error(error)),
            }
        }
    }
}

fn prepare(request: &Request) -> Result<(OutgoingRequest, RequestOptions), HttpError> {
    let parts = url::split(&request.url)
        .ok_or_else(|| invalid(&["`", &request.url, "` is not an http address"].concat()))?;
    let mut headers: Vec<(String, Vec<u8>)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    // The host takes these out, and puts what they name in their place.
    for name in &request.credentials {
        headers.push(("nebula-credential".into(), name.clone().into_bytes()));
    }
    if !request.body.is_empty() {
        headers.push((
            "content-length".into(),
            request.body.len().to_string().into_bytes(),
        ));
    }
    let headers = Fields::from_list(&headers)
        .map_err(|e| invalid(&format!("a header is not allowed: {e}")))?;
    let outgoing = OutgoingRequest::new(headers);
    let scheme = if parts.https {
        Scheme::Https
    } else {
        Scheme::Http
    };
    outgoing
        .set_method(&method(&request.method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(parts.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&parts.path_and_query)))
        .map_err(|()| invalid("its method or address is malformed"))?;
    let options = RequestOptions::new();
    if let Some(timeout) = request.timeout {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        options
            .set_connect_timeout(Some(nanos))
            .and_then(|()| options.set_first_byte_timeout(Some(nanos)))
            .and_then(|()| options.set_between_bytes_timeout(Some(nanos)))
            .map_err(|()| invalid("its timeout is not supported"))?;
    }
    Ok((outgoing, options))
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

async fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), HttpError> {
    while !bytes.is_empty() {
        let room = stream.check_write().map_err(stream_error)?;
        if room == 0 {
            ready(stream.subscribe()).await;
            continue;
        }
        let (now, later) = bytes.split_at(bytes.len().min(room as usize));
        stream.write(now).map_err(stream_error)?;
        bytes = later;
    }
    stream.flush().map_err(stream_error)?;
    // The flush is over once there is room again.
    while stream.check_write().map_err(stream_error)? == 0 {
        ready(stream.subscribe()).await;
    }
    Ok(())
}

async fn read(incoming: IncomingResponse, max: usize) -> Result<Response, HttpError> {
    let (mut response, mut body) = taken(incoming)?;
    while let Some(chunk) = body.chunk().await? {
        if chunk.len() > max - response.body.len() {
            return Err(HttpError::TooLarge { limit: max });
        }
        response.body.extend_from_slice(&chunk);
    }
    Ok(response)
}

/// A response without its body, and that.
fn taken(incoming: IncomingResponse) -> Result<(Response, Incoming), HttpError> {
    let gone = |()| HttpError::Connection("the response's body is gone".into());
    let headers = incoming
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let body = incoming.consume().map_err(gone)?;
    let stream = body.stream().map_err(gone)?;
    let head = Response {
        status: incoming.status(),
        headers,
        body: Vec::new(),
    };
    Ok((
        head,
        Incoming {
            stream,
            _body: body,
            _response: incoming,
        },
    ))
}

fn invalid(why: &str) -> HttpError {
    HttpError::InvalidRequest(why.to_owned())
}

fn stream_error(error: StreamError) -> HttpError {
    match error {
        StreamError::Closed => HttpError::Connection("it was closed early".into()),
        StreamError::LastOperationFailed(cause) => match http_error_code(&cause) {
            Some(code) => code_error(code),
            None => HttpError::Connection(cause.to_debug_string()),
        },
    }
}

/// Why a request to this host failed.
fn refused(code: ErrorCode, host: &str) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied => {
            let why = ["the action was not granted the host `", host, "`"];
            HttpError::Denied(why.concat())
        }
        code => code_error(code),
    }
}

fn code_error(code: ErrorCode) -> HttpError {
    match code {
        ErrorCode::ConfigurationError => {
            HttpError::Denied("a credential of the request cannot be used; the log says why".into())
        }
        ErrorCode::DestinationIpProhibited => {
            HttpError::Denied("the address of the host is not allowed".into())
        }
        ErrorCode::DnsTimeout => HttpError::Timeout("the name of the host was not resolved".into()),
        ErrorCode::ConnectionTimeout => HttpError::Timeout("no connection".into()),
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            HttpError::Timeout("no response".into())
        }
        ErrorCode::ConnectionWriteTimeout => HttpError::Timeout("the request was not taken".into()),
        ErrorCode::DnsError(_) => {
            HttpError::Connection("the name of the host was not resolved".into())
        }
        ErrorCode::ConnectionRefused => HttpError::Connection("it was refused".into()),
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => {
            HttpError::Connection("it was closed early".into())
        }
        ErrorCode::InternalError(Some(why)) => HttpError::Connection(why),
        code if is_invalid(&code) => HttpError::InvalidRequest(format!("{code:?}")),
        code if is_odd_response(&code) => HttpError::InvalidResponse(format!("{code:?}")),
        code => HttpError::Connection(format!("{code:?}")),
    }
}

fn is_invalid(code: &ErrorCode) -> bool {
    use ErrorCode as C;
    matches!(
        code,
        C::HttpRequestLengthRequired
            | C::HttpRequestBodySize(_)
            | C::HttpRequestMethodInvalid
            | C::HttpRequestUriInvalid
            | C::HttpRequestUriTooLong
            | C::HttpRequestHeaderSectionSize(_)
            | C::HttpRequestHeaderSize(_)
            | C::HttpRequestTrailerSectionSize(_)
            | C::HttpRequestTrailerSize(_)
    )
}

fn is_odd_response(code: &ErrorCode) -> bool {
    use ErrorCode as C;
    matches!(
        code,
        C::HttpResponseHeaderSectionSize(_)
            | C::HttpResponseHeaderSize(_)
            | C::HttpResponseBodySize(_)
            | C::HttpResponseTrailerSectionSize(_)
            | C::HttpResponseTrailerSize(_)
            | C::HttpResponseTransferCoding(_)
            | C::HttpResponseContentCoding(_)
            | C::LoopDetected
    )
}
