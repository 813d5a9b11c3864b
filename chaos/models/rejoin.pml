/* rejoin.pml -- a member of a guardian group that comes back without its disk, or with an older one.          (Spin 6.5.2)
 * One shard, one job, three members: home 0, guardians 1 and 2; term t belongs to member (t-1) mod 3. The protocol is that of
 * guardian.pml; what a member forgets is the point here, so what it said before it forgot stays deliverable.
 *
 * A member's disk keeps: the promised term, its copy of the log, and (after a rejoin) the term above which it may lead. One
 * member loses all of that at any moment; what comes back knows that it lost something (a new ledger id, an anchor that is
 * ahead, a peer that has seen more). An older disk is treated as an empty one, so the rule is checked with an empty one; -DOLD
 * gives the mutants the older disk.
 *
 * The rule: such a member says nothing in the shard until BOTH others have answered a question that it asked after its boot,
 * with their promised term and their log, and until its own processes of the shard are dead. It then writes, in one
 * transaction: the largest of their terms, the longer of their logs, and that it leads nothing up to that term. From here on
 * it is a member like any that has restarted: the wait before a promise is in full (it may have granted a lease).
 * A promise names the life (the ledger id) of the candidate that asked, and counts for no other life of it: after two losses,
 * the candidate's and then the promising member's, nobody else would know of it (M_OLDLIFE).
 *
 * Messages that outlive the disk of their sender or receiver, each deliverable for ever:
 *   prep   the PREPARE of a candidate, old: of its earlier life   gp_*   a PROMISE, with its log, whose giver has lost its disk since
 *   gh_*   the newest record of a leader that lost its disk        a_*   answers to the one that asks
 * (A promise whose giver still has its disk is read there: while it stands, nothing of an older term is added to that log.)
 * Acknowledgements: qk as in guardian.pml. Grants: gr[v]-1 is the region whose lease may still run on v's grant; it ends when
 * v's wait is over, whatever v remembers. Renewals go to the region: a leader that opens its next own term keeps its processes.
 * Not modelled: handoff between shards, a second loss before the first one has rejoined (a majority would be gone), how the
 * loss is noticed (M_UNNOTICED shows that it has to be).
 */
#ifndef T
#define T 4           /* highest term */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef DEATHS
#define DEATHS 0      /* members destroyed that never come back */
#endif
#ifndef LOSSES
#define LOSSES 1      /* disks lost, one at a time */
#endif
#ifndef LAPSES
#define LAPSES 1      /* only with -DLIVE: lease lapses of a live leader */
#endif
#ifndef ELECTS
#define ELECTS 1      /* only with -DLIVE: needless elections */
#endif
#define OWNER(t) (((t)+2)%3)
#define Bt(t) (1<<(t))

mtype = { NONE, QUEUED, RUN, DONE };
/* durable, per member */
byte tm[3]; byte lt[3]; byte sq[3]; mtype st[3]; byte nl[3]; bit lost[3];
/* volatile, or the environment's */
bit qk[3]; byte gr[3]; bit ex[3]; bit vfin[3]; bit dead[3];
byte deaths=DEATHS; byte crashes=CRASHES; byte losses=LOSSES;
#ifdef LIVE
byte lapses=LAPSES; byte elects=ELECTS;
#endif
/* messages */
byte prep[3]; byte old[3];          /* old: the PREPARE of a life that is over */
byte gp_t[3]; byte gp_l[3]; byte gp_s[3]; mtype gp_c[3];
byte gh_t[3]; byte gh_s[3]; mtype gh_c[3];
bit an[3]; byte a_tm[3]; byte a_lt[3]; byte a_sq[3]; mtype a_st[3];
#ifdef OLD
bit snapped; byte s_r; byte s_tm; byte s_lt; byte s_sq; mtype s_st; byte s_nl;
#endif
bit sub; bit ackd; bit rep; byte tok;
byte led;                          /* ghost: the terms that were started, a bit each */

#define HERE(r) (!dead[r] && !lost[r])
#define WHOLE (HERE(0)+HERE(1)+HERE(2))
#define LEAD(r) (HERE(r) && lt[r]>nl[r] && tm[r]==lt[r] && OWNER(tm[r])==(r))
#define CAND(r) (HERE(r) && tm[r]>nl[r] && lt[r]<tm[r] && OWNER(tm[r])==(r))
#define GT(a,b) (lt[a]>lt[b] || (lt[a]==lt[b] && sq[a]>sq[b]))
#define ABOVE(a,b) (!HERE(b) || (HERE(a) && !GT(b,a)))
#define TOP (ABOVE(0,1) && ABOVE(0,2) -> 0 : (ABOVE(1,2) -> 1 : 2))
#define EXECS (ex[0]+ex[1]+ex[2])
#define Y ((r+1)%3)
#define Z ((r+2)%3)
#define LEASE(l) (gr[((l)+1)%3]==(l)+1 || gr[((l)+2)%3]==(l)+1)
#define NEXTT (OWNER(tm[r]+1)==r -> tm[r]+1 : (OWNER(tm[r]+2)==r -> tm[r]+2 : tm[r]+3))

#ifdef M_NOWAIT_REJOIN          /* what it may have granted before is not waited out */
bit forgot[3];
#define WAITED(r) (gr[r]==0 || forgot[r])
#else
#define WAITED(r) (gr[r]==0)
#endif
#ifdef M_AMNESIAC               /* takes part at once, with what its disk has */
#define QUARANTINE(r) lost[r]=0
#elif defined(M_UNNOTICED)      /* the same, with an older disk that nobody noticed */
#define QUARANTINE(r) lost[r]=0
#else
#define QUARANTINE(r) lost[r]=1
#endif
#ifdef M_ONECOPY                /* one answer is taken to be enough (M_ONEANDWAIT: if every lease has been waited out) */
#define ENOUGH (an[Y] || an[Z])
#elif defined(M_ONEANDWAIT)
#define ENOUGH ((an[Y] || an[Z]) && gr[r]==0)
#elif defined(M_LEADERONLY)     /* the answer of whoever says that he leads is taken to be enough */
#define ENOUGH ((an[Y] && a_lt[Y]==a_tm[Y] && OWNER(a_tm[Y])==Y) || (an[Z] && a_lt[Z]==a_tm[Z] && OWNER(a_tm[Z])==Z))
#else
#define ENOUGH (an[Y] && an[Z])
#endif
#ifdef M_KEEPPROC               /* its processes from before are let live, as after a mere restart */
#define PROCESSES_DEAD 1
#else
#define PROCESSES_DEAD (!ex[r])
#endif

#ifdef M_OLDLIFE                 /* a promise counts even if it was given to an earlier life of the candidate */
#define NEWLIFE(v) skip
#else
#define NEWLIFE(v) if :: prep[v]>0 -> old[v]=prep[v]; prep[v]=0 :: else fi; VOID(0,v); VOID(1,v); VOID(2,v)
#define VOID(g,v) if :: gp_t[g]>0 && OWNER(gp_t[g])==v -> gp_t[g]=0; gp_l[g]=0; gp_s[g]=0; gp_c[g]=0 :: else fi; \
  if :: tm[g]>nl[g] && lt[g]<tm[g] && OWNER(tm[g])==v && g!=v -> nl[g]=tm[g] :: else fi
#endif
inline wr() { sq[r]++; qk[r]=0 }
inline forget(v) { vfin[v]=0; qk[v]=0; NEWLIFE(v);
  if
  :: LEAD(v) -> gh_t[v]=lt[v]; gh_s[v]=sq[v]; gh_c[v]=st[v]      /* its newest record may still be on its way */
  :: else
  fi;
  if
  :: tm[v]>nl[v] && lt[v]<tm[v] && OWNER(tm[v])!=v && prep[OWNER(tm[v])]==tm[v] ->    /* its promise may still be on its way */
       gp_t[v]=tm[v]; gp_l[v]=lt[v]; gp_s[v]=sq[v]; gp_c[v]=st[v]
  :: else
  fi;
#ifdef OLD
  if
  :: snapped && s_r==v -> tm[v]=s_tm; lt[v]=s_lt; sq[v]=s_sq; st[v]=s_st; nl[v]=s_nl
  :: tm[v]=0; lt[v]=0; sq[v]=0; st[v]=NONE; nl[v]=0
  fi
#else
  tm[v]=0; lt[v]=0; sq[v]=0; st[v]=NONE; nl[v]=0
#endif
}
inline start() {                    /* START; a RUN of an older term is queued again, unless the process is its own and lives */
  if :: st[r]==RUN && !ex[r] -> st[r]=QUEUED :: else assert(!(ex[r] && st[r]!=RUN)) fi;
#ifndef HARM                        /* mutants have to do harm to the job, not only break the rule */
  assert(!(led & Bt(tm[r]))); led=led|Bt(tm[r]);                  /* a term is started once */
#endif
  lt[r]=tm[r]; sq[r]=0; qk[r]=0; vfin[r]=0; prep[r]=0 }
inline merge(l,s,c) { if :: l>lt[r] || (l==lt[r] && s>sq[r]) -> assert(!ex[r]); st[r]=c :: else fi; start() }
inline answer(x) {
  if
  :: an[x] && (a_tm[x]>tm[r]) -> tm[r]=a_tm[x]
  :: else
  fi;
#ifndef M_NOLOG
  if
  :: an[x] && (a_lt[x]>lt[r] || (a_lt[x]==lt[r] && a_sq[x]>sq[r])) -> lt[r]=a_lt[x]; sq[r]=a_sq[x]; st[r]=a_st[x]
  :: else
  fi;
#endif
  an[x]=0; a_tm[x]=0; a_lt[x]=0; a_sq[x]=0; a_st[x]=0 }

#define VOTE(c) :: atomic { HERE(r) && prep[c]>tm[r] && (WAITED(r) || gr[r]==(c)+1) && !ex[r] -> tm[r]=prep[c]; vfin[r]=0 }
#define LATE(c) :: atomic { HERE(r) && old[c]>tm[r] && (WAITED(r) || gr[r]==(c)+1) && !ex[r] -> tm[r]=old[c]; nl[r]=tm[r]; vfin[r]=0 }
#define LOSTVOTE(v) :: atomic { CAND(r) && gp_t[v]==tm[r] -> merge(gp_l[v],gp_s[v],gp_c[v]); gp_t[v]=0; gp_l[v]=0; gp_s[v]=0; gp_c[v]=0 }
#define LOSTCOPY(x) :: atomic { HERE(r) && gh_t[x]>0 && tm[r]<=gh_t[x] && (lt[r]<gh_t[x] || (lt[r]==gh_t[x] && sq[r]<gh_s[x])) && \
         (tm[r]==gh_t[x] || (WAITED(r) && !ex[r])) -> tm[r]=gh_t[x]; lt[r]=gh_t[x]; sq[r]=gh_s[x]; st[r]=gh_c[x]; qk[r]=0; vfin[r]=0 }
#define TAKE(v) :: atomic { CAND(r) && HERE(v) && tm[v]==tm[r] && tm[v]>nl[v] -> merge(lt[v],sq[v],st[v]) }
#define COPY(x) :: atomic { HERE(r) && LEAD(x) && !(lt[r]==lt[x] && sq[r]==sq[x]) && \
       (tm[r]<tm[x] && (WAITED(r) || gr[r]==(x)+1) && !ex[r] || tm[r]==tm[x]) -> \
     tm[r]=tm[x]; st[r]=st[x]; lt[r]=lt[x]; sq[r]=sq[x]; qk[x]=1; qk[r]=0; vfin[r]=0 }
#define ANSWER(v) :: atomic { HERE(r) && lost[v] && !dead[v] && !an[r] -> an[r]=1; a_tm[r]=tm[r]; a_lt[r]=lt[r]; a_sq[r]=sq[r]; a_st[r]=st[r] }
#define KILL(l) if :: !LEASE(l) -> ex[l]=0 :: else fi
#ifdef LIVE
#define MAYLAPSE (!LEAD(gr[r]-1) || tm[r]!=tm[gr[r]-1] || st[gr[r]-1]!=RUN || lapses>0)
#define USELAPSE if :: LEAD(gr[r]-1) && tm[r]==tm[gr[r]-1] && st[gr[r]-1]==RUN -> lapses-- :: else fi
#define ATWORK(o) ((LEAD(o) || CAND(o)) && tm[o]>=tm[r])
#ifdef M_SAMENUMBER             /* a candidate refused by a member that has learnt the very same term waits for another answer */
#define REFUSES(v) (HERE(v) && tm[v]>tm[r])
#else
#define REFUSES(v) (HERE(v) && (tm[v]>tm[r] || (tm[v]==tm[r] && nl[v]==tm[v])))
#endif
#define NEEDED (!ATWORK(Y) && !ATWORK(Z) && ((!LEAD(r) && !CAND(r)) || REFUSES(Y) || REFUSES(Z)))   /* no needless election */
#define MAYCAND (NEEDED || elects>0)
#define USECAND if :: NEEDED -> skip :: else -> elects-- fi
#else
#define MAYLAPSE 1
#define USELAPSE skip
#define MAYCAND 1
#define USECAND skip
#endif

proctype Rep(byte r) { byte l;
end:
  do
  /* ---------- leader ---------- */
  :: atomic { LEAD(r) && !sub -> sub=1; st[r]=QUEUED; wr() }
  :: atomic { LEAD(r) && sub && !ackd && st[r]!=NONE && qk[r] -> ackd=1 }
  :: atomic { LEAD(r) && st[r]==QUEUED -> st[r]=RUN; wr() }
  :: atomic { LEAD(r) && st[r]==RUN && !ex[r] && !vfin[r] && LEASE(r) ->         /* RUN need not be Q */
       assert(EXECS==0); assert(!rep);
       assert(tm[r]>=tok); tok=tm[r];                                            /* the fencing token never decreases */
       ex[r]=1 }
  :: atomic { ex[r] -> ex[r]=0; if :: LEAD(r) -> vfin[r]=1 :: else fi }
  :: atomic { LEAD(r) && st[r]==RUN && vfin[r] -> st[r]=DONE; vfin[r]=0; wr() }
  :: atomic { LEAD(r) && st[r]==DONE && qk[r] && !rep -> rep=1 }
  /* ---------- member ---------- */
  COPY(Y)
  COPY(Z)
  LOSTCOPY(Y)
  LOSTCOPY(Z)
  :: atomic { HERE(r) && gr[r]==0 && tm[r]>0 && OWNER(tm[r])!=r && LEAD(OWNER(tm[r])) && tm[OWNER(tm[r])]==tm[r] && st[OWNER(tm[r])]==RUN -> gr[r]=OWNER(tm[r])+1 }
  :: atomic { gr[r]>0 && MAYLAPSE -> USELAPSE; l=gr[r]-1; gr[r]=0; KILL(l); l=0 }
  /* ---------- next term ---------- */
  :: atomic { HERE(r) && tm[r]>0 && NEXTT<=T && WAITED(r) && MAYCAND -> USECAND; tm[r]=NEXTT; vfin[r]=0; prep[r]=tm[r] }
  VOTE(Y)
  VOTE(Z)
  TAKE(Y)
  TAKE(Z)
  LATE(Y)
  LATE(Z)
  LOSTVOTE(Y)
  LOSTVOTE(Z)
  /* ---------- a disk is lost; asking; back in ---------- */
#ifdef OLD
  :: atomic { !snapped && HERE(r) -> snapped=1; s_r=r; s_tm=tm[r]; s_lt=lt[r]; s_sq=sq[r]; s_st=st[r]; s_nl=nl[r] }
#endif
  :: atomic { losses>0 && HERE(r) && HERE(Y) && HERE(Z) -> losses--; forget(r); QUARANTINE(r); if :: ex[r]=0 :: skip fi;
#ifdef M_NOWAIT_REJOIN
       forgot[r]=1
#endif
     }
  ANSWER(Y)
  ANSWER(Z)
  :: atomic { lost[r] && !dead[r] && ENOUGH && PROCESSES_DEAD -> tm[r]=0; lt[r]=0; sq[r]=0; st[r]=NONE;
       answer(Y); answer(Z); lost[r]=0;
#ifndef M_RESUME
       nl[r]=tm[r]
#endif
     }
  /* ---------- crash and restart; destroyed for ever ---------- */
  :: atomic { crashes>0 && !dead[r] -> crashes--; vfin[r]=0; if :: ex[r]=0 :: skip fi }
  :: atomic { deaths>0 && !dead[r] -> deaths--; forget(r); dead[r]=1; lost[r]=0; ex[r]=0 }
  od
}

proctype Monitor() {
end: do
  :: atomic { EXECS>1 -> assert(EXECS<=1) }
  :: atomic { ackd && WHOLE>1 && st[TOP]==NONE -> assert(false) }           /* what was acknowledged is in the longest log */
  :: atomic { rep && WHOLE>1 && st[TOP]!=DONE -> assert(false) }            /* and so is what was reported */
#ifdef LIVE
  :: atomic { timeout -> assert(rep || !sub || WHOLE<2 || st[TOP]==NONE); break }
#endif
  od
}
init { atomic {
  tm[0]=1; tm[1]=1; tm[2]=1; lt[0]=1; lt[1]=1; lt[2]=1; st[0]=NONE; st[1]=NONE; st[2]=NONE; led=Bt(1);
  run Monitor(); run Rep(0); run Rep(1); run Rep(2) } }
