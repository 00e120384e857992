//! Types by which the compiler tells the kinds of handlers and of typed values apart. One never
//! writes them, and no value of them is ever made.

use std::marker::PhantomData;

use super::{TaskKind, UndecodablePayload};

/// Marks a handler of tasks.
#[derive(Debug)]
pub struct Untyped(());

/// Marks a handler of the payload `T`, written by `C`.
#[derive(Debug)]
pub struct Typed<T, C>(PhantomData<(T, C)>);

/// Marks a struct that handles what `M` says.
#[derive(Debug)]
pub struct Struct<M>(PhantomData<M>);

/// Marks a handler within a layer.
#[derive(Debug)]
pub struct Within<M>(PhantomData<M>);

/// Marks a [`HandlerService`](crate::HandlerService).
#[derive(Debug)]
pub struct Built(());

/// Marks a [`Mux`](crate::Mux).
#[derive(Debug)]
pub struct Muxed(());

/// Marks a [`blocking`](crate::blocking) handler; `M` says of what.
#[derive(Debug)]
pub struct OnThread<M>(PhantomData<M>);

/// Marks the way from a typed value to a task.
#[derive(Debug)]
pub struct ByKind<C>(PhantomData<C>);

/// Marks the way from a reference to a typed value to a task.
#[derive(Debug)]
pub struct ByKindRef<C>(PhantomData<C>);

/// A marker of handlers that know their task type: those of a typed payload.
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

impl<T: TaskKind<C>, C> HasKind for Typed<T, C> {
    const TYPE: &'static str = T::TYPE;
}

impl<M: HasKind> HasKind for Struct<M> {
    const TYPE: &'static str = M::TYPE;
}

impl<M: HasKind> HasKind for Within<M> {
    const TYPE: &'static str = M::TYPE;
}

impl<T: TaskKind<C>, C> HasKind for OnThread<Typed<T, C>> {
    const TYPE: &'static str = T::TYPE;
}

/// What a handler is told when it is built.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions {
    pub(crate) undecodable: Option<UndecodablePayload>,
}

impl BuildOptions {
    pub(super) fn undecodable(self) -> UndecodablePayload {
        self.undecodable.unwrap_or_default()
    }
}
