//! Functions of `wasi:http/types` that replace those of wasmtime-wasi-http: the functions with which a guest makes the
//! host hold memory, so that the request's account pays for it, and one that finds no error code.
//!
//! Fields and texts stay on the account until the end of the request, because a guest passes them between resources.

use http_body_util::BodyExt as _;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime_wasi_http::p2::HeaderResult;
use wasmtime_wasi_http::p2::bindings::http::types::{self, HeaderError, Method, Scheme};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostOutgoingRequest, HostOutgoingResponse};
use wasmtime_wasi_http::{FieldMap, WasiHttpCtxView, WasiHttpView as _};

use crate::egress::{self, BODY_BUFFER_BYTES, fields_memory};
use crate::limits::TEXT_FRAME_BYTES;
use crate::store_state::StoreState;

type Store<'a> = StoreContextMut<'a, StoreState>;
type Instance<'a> = LinkerInstance<'a, StoreState>;
type IoError = wasmtime_wasi::p2::bindings::io::error::Error;

/// Name of the interface in wasmtime-wasi-http; a test fails if it changes.
const HTTP_TYPES: &str = "wasi:http/types@0.2.12";

/// Replaces functions that the linker already has.
///
/// # Errors
/// Never in practice: the names are known.
pub(crate) fn link(l: &mut Linker<StoreState>) -> wasmtime::Result<()> {
    l.allow_shadowing(true);
    let mut types = l.instance(HTTP_TYPES)?;
    link_error_codes(&mut types)?;
    link_fields(&mut types)?;
    link_request_texts(&mut types)?;
    link_bodies(&mut types)?;
    l.allow_shadowing(false);
    Ok(())
}

/// wasmtime-wasi-http 48 finds no code for an error of a response's body, because it looks for the WIT type instead of
/// its own error type. A guest could then not tell "too large" from "cut off".
fn link_error_codes(types: &mut Instance<'_>) -> wasmtime::Result<()> {
    types.func_wrap("http-error-code", |mut store: Store<'_>, (error,): (Resource<IoError>,)| {
        let error = store.data_mut().table.get(&error)?;
        Ok((egress::error_code(error),))
    })
}

fn link_fields(types: &mut Instance<'_>) -> wasmtime::Result<()> {
    types.func_wrap("[static]fields.from-list", |mut store: Store<'_>, (list,): (Vec<(String, Vec<u8>)>,)| {
        let bytes = list.iter().map(|(name, value)| field_memory(name, value)).sum();
        store.data().account.keep(bytes)?;
        let mut view = store.data_mut().http();
        let fields = types::HostFields::from_list(&mut view, list);
        Ok((answered(&mut view, fields)?,))
    })?;
    types.func_wrap("[method]fields.set", |mut store: Store<'_>, (fields, name, values): FieldValues| {
        let bytes = values.iter().map(|value| field_memory(&name, value)).sum();
        store.data().account.keep(bytes)?;
        let mut view = store.data_mut().http();
        let set = types::HostFields::set(&mut view, fields, name, values);
        Ok((answered(&mut view, set)?,))
    })?;
    types.func_wrap("[method]fields.append", |mut store: Store<'_>, (fields, name, value): FieldValue| {
        store.data().account.keep(field_memory(&name, &value))?;
        let mut view = store.data_mut().http();
        let appended = types::HostFields::append(&mut view, fields, name, value);
        Ok((answered(&mut view, appended)?,))
    })?;
    types.func_wrap("[method]fields.clone", |mut store: Store<'_>, (fields,): (Resource<FieldMap>,)| {
        let bytes = fields_memory(store.data().table.get(&fields)?);
        store.data().account.keep(bytes)?;
        Ok((types::HostFields::clone(&mut store.data_mut().http(), fields)?,))
    })
}

type FieldValue = (Resource<FieldMap>, String, Vec<u8>);
type FieldValues = (Resource<FieldMap>, String, Vec<Vec<u8>>);

fn field_memory(name: &str, value: &[u8]) -> usize {
    TEXT_FRAME_BYTES + name.len() + value.len()
}

/// The error as the guest gets it, or the trap.
fn answered<T>(view: &mut WasiHttpCtxView<'_>, result: HeaderResult<T>) -> wasmtime::Result<Result<T, HeaderError>> {
    match result {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => types::Host::convert_header_error(view, error).map(Err),
    }
}

fn link_request_texts(types: &mut Instance<'_>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Resource<HostOutgoingRequest>, Method)| {
            let other = if let Method::Other(other) = &method { other.len() } else { 0 };
            store.data().account.keep(other)?;
            Ok((types::HostOutgoingRequest::set_method(&mut store.data_mut().http(), request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: Store<'_>, (request, scheme): (Resource<HostOutgoingRequest>, Option<Scheme>)| {
            let other = if let Some(Scheme::Other(other)) = &scheme { other.len() } else { 0 };
            store.data().account.keep(other)?;
            Ok((types::HostOutgoingRequest::set_scheme(&mut store.data_mut().http(), request, scheme)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, text): (Resource<HostOutgoingRequest>, Option<String>)| {
            store.data().account.keep(text.as_ref().map_or(0, String::len))?;
            Ok((types::HostOutgoingRequest::set_authority(&mut store.data_mut().http(), request, text)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, text): (Resource<HostOutgoingRequest>, Option<String>)| {
            store.data().account.keep(text.as_ref().map_or(0, String::len))?;
            Ok((types::HostOutgoingRequest::set_path_with_query(&mut store.data_mut().http(), request, text)?,))
        },
    )
}

fn link_bodies(types: &mut Instance<'_>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]outgoing-request.body",
        |mut store: Store<'_>, (request,): (Resource<HostOutgoingRequest>,)| {
            let account = &store.data().account;
            // Bodies are collected elsewhere, so a guest that reads no answer does not learn of a refusal.
            if let Some(limit) = account.refused() {
                return Err(limit.into());
            }
            let held = account.take(BODY_BUFFER_BYTES)?;
            let known = Resource::<HostOutgoingRequest>::new_borrow(request.rep());
            let mut view = store.data_mut().http();
            let body = types::HostOutgoingRequest::body(&mut view, request)?;
            if body.is_ok() {
                // The memory belongs to the body, whoever drops it.
                let request = view.table.get_mut(&known)?;
                let keep_place = move |frame| {
                    let _ = &held;
                    frame
                };
                request.body = request.body.take().map(|body| body.map_frame(keep_place).boxed_unsync());
            }
            Ok((body,))
        },
    )?;
    // A guest answers no HTTP request, so its response needs no body.
    types.func_wrap("[method]outgoing-response.body", |_: Store<'_>, (_,): (Resource<HostOutgoingResponse>,)| {
        Ok((Err::<Resource<HostOutgoingBody>, ()>(()),))
    })
}
