//! Marker types. With them the compiler distinguishes the kinds of handlers and of typed values.
//!
//! You never write a marker, and most markers have no values.

use std::marker::PhantomData;

pub use super::check;
pub use super::options::BuildOptions;
use crate::task::TaskKind;
pub use crate::task::{Typed, TypedRef};

/// Marks the input that is the task itself.
#[derive(Debug)]
pub struct Untyped(());

/// Marks a function that takes a `T`. `X` is the marker of `T`.
#[derive(Debug)]
pub struct Function<T, X>(PhantomData<(T, X)>);

/// Marks a struct that handles a `T`. `X` is the marker of `T`.
#[derive(Debug)]
pub struct Struct<T, X>(PhantomData<(T, X)>);

/// Marks a [`blocking`](crate::blocking) handler that takes a `T`. `X` is the marker of `T`.
#[derive(Debug)]
pub struct OnThread<T, X>(PhantomData<(T, X)>);

/// Marks a handler within a layer.
#[derive(Debug)]
pub struct Within<M>(PhantomData<M>);

/// Marks a [`HandlerService`](crate::HandlerService).
#[derive(Debug)]
pub struct Built(());

/// Marks a [`Mux`](crate::Mux).
#[derive(Debug)]
pub struct Muxed(());

/// A marker of a handler whose task type is known, because it takes a typed payload.
#[diagnostic::on_unimplemented(
    message = "the task type of this handler is not known",
    label = "this handler takes any task",
    note = "give it a typed payload (`async fn(TaskContext, T)` with `T: TaskKind`), \
            or name the type: `.route(\"email:welcome\", handler)`"
)]
pub trait HasKind {
    /// The task type.
    const TYPE: &'static str;
}

impl<T: TaskKind<C>, C> HasKind for Function<T, Typed<C>> {
    const TYPE: &'static str = T::TYPE;
}

impl<T: TaskKind<C>, C> HasKind for Struct<T, Typed<C>> {
    const TYPE: &'static str = T::TYPE;
}

impl<T: TaskKind<C>, C> HasKind for OnThread<T, Typed<C>> {
    const TYPE: &'static str = T::TYPE;
}

impl<M: HasKind> HasKind for Within<M> {
    const TYPE: &'static str = M::TYPE;
}
